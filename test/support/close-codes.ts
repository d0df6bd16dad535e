/** The decision on each kind of close code, once for all tests: see "What happens in each case" in docs/guides/delivery.md. */

/** Codes after which a Conn dials again. */
export const RETRIED_CODES = [
  1001, 1002, 1005, 1006, 1011, 1012, 1013, 1014, 3001, 3008, 3999, 4000, 4399, 4408, 4425, 4429, 4500, 4503, 4599,
  4999,
];

/** Codes that end a Conn with an error. */
export const FINAL_CODES = [1003, 1007, 1008, 1009, 1010, 4400, 4402, 4404, 4409, 4410, 4499];

/** Codes that ask for other credentials. */
export const REFUSED_CODES = [3000, 3003, 4401, 4403];

/** The part of both that a real server sends to each platform: one connection a code is slow. */
export const SENT_CODES = { retried: [1001, 1011, 1012, 1013, 4500], final: [1003, 1008, 4400, 4404] };
