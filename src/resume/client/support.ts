/** What is known of the server: whether it speaks resume. Each state says whether the next dial makes the offer. */
export type Support =
  /** Nothing is known. Counts connections in a row on which the server selected the name and sent no greeting. */
  | { readonly name: "unknown"; readonly silences: number }
  /** The server has spoken resume. Counts connections in a row without a greeting, and handshakes that failed. */
  | { readonly name: "confirmed"; readonly silences: number; readonly failures: number }
  /** The next dial goes without the offer, to learn whether the offer is what fails. */
  | { readonly name: "doubted"; readonly silences: number; readonly since: "unknown" | "confirmed" | "offered" }
  /** The server has spoken resume, and opened without the offer: the offer is made once more before it is believed. */
  | { readonly name: "offered" }
  /** The server does not speak resume, and is not asked any more. */
  | { readonly name: "unsupported" };

/** What a dial shows of the server. */
export type SupportEvent =
  /** It greeted. */
  | "greeted"
  /** It refused the handshake, which may be due to the offer. */
  | "refused"
  /** The handshake failed for another reason. */
  | "failed"
  /** It selected the name, and sent no greeting in time, or a malformed one. */
  | "silent"
  /** The connection is open without resume. */
  | "opened";

/** What to do then: dial again at once, retry after the usual wait, use the connection without resume. */
export type SupportOutcome = "again" | "failed" | "plain";

type Step = readonly [Support, SupportOutcome];

/** What may go wrong in a row before a server that has spoken resume is asked without the offer. */
const MAX_FAILURES = 3;
const MAX_SILENCES = 2;
const CONFIRMED: Support = { name: "confirmed", silences: 0, failures: 0 };
const UNSUPPORTED: Support = { name: "unsupported" };

/** Whether a dial makes the offer. */
export function makesOffer({ name }: Support): boolean {
  return name !== "doubted" && name !== "unsupported";
}

/** Whether the server has spoken resume, so that there may be a session to lose. */
export function hasSpoken(support: Support): boolean {
  return support.name === "confirmed" || support.name === "offered";
}

/**
 * Learns from a dial. A greeting confirms in each state. A session is given up only in the rows that are marked.
 *
 * | in | event | next | outcome |
 * |---|---|---|---|
 * | unknown | refused | doubted | again |
 * | unknown | silent | doubted, silences + 1 | again |
 * | unknown | opened | unsupported | plain |
 * | confirmed | refused, twice | confirmed, failures + 1 | failed |
 * | confirmed | refused, a third time | doubted | again |
 * | confirmed | silent, opened | confirmed, silences + 1 | failed |
 * | confirmed | silent, opened, a second time | doubted, since offered | again |
 * | doubted since unknown | opened, after one silence | unknown | plain |
 * | doubted since unknown | opened, after a refusal or two silences | unsupported | plain |
 * | doubted since confirmed | opened | offered | again |
 * | doubted since offered | opened | unsupported | plain: the session is given up |
 * | doubted | refused, failed | unknown or confirmed | failed |
 * | offered | refused, silent, opened | doubted, since offered | again |
 * | unsupported | opened | unsupported | plain |
 * | any other | refused, failed | the same | failed |
 */
export function learn(support: Support, event: Exclude<SupportEvent, "greeted">): Step {
  const hasOpened = event === "silent" || event === "opened";
  switch (support.name) {
    case "unknown":
      if (event === "opened") return [UNSUPPORTED, "plain"];
      if (event === "failed") break;
      return [{ name: "doubted", silences: event === "silent" ? support.silences + 1 : 0, since: "unknown" }, "again"];
    case "confirmed": {
      if (event === "failed") break;
      const silences = support.silences + (hasOpened ? 1 : 0);
      const failures = support.failures + (hasOpened ? 0 : 1);
      if (silences >= MAX_SILENCES) return [{ name: "doubted", silences, since: "offered" }, "again"];
      if (failures >= MAX_FAILURES) return [{ name: "doubted", silences, since: "confirmed" }, "again"];
      return [{ name: "confirmed", silences, failures }, "failed"];
    }
    case "doubted": {
      const { since, silences } = support;
      if (!hasOpened) return [since === "unknown" ? { name: "unknown", silences } : CONFIRMED, "failed"];
      if (since === "confirmed") return [{ name: "offered" }, "again"];
      // A page that was busy may have missed the greeting: one silence proves little.
      const isUnsure = since === "unknown" && silences > 0 && silences < MAX_SILENCES;
      return [isUnsure ? { name: "unknown", silences } : UNSUPPORTED, "plain"];
    }
    case "offered":
      if (event === "failed") break;
      return [{ name: "doubted", silences: 0, since: "offered" }, "again"];
    case "unsupported":
      if (hasOpened) return [support, "plain"];
  }
  return [support, "failed"];
}
