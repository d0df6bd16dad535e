import { MAX_REASON_BYTES, SERVER_CODES, TRY_AGAIN_LATER } from "../base/close-codes.ts";
import { badOption, failOption } from "../base/errors.ts";
import { checkNames, isObject } from "../base/option-rules.ts";
import { checkCode } from "../core/arguments.ts";

/** How a client is refused, besides the HTTP status. */
export interface RefusalOptions {
  /**
   * The close code for pages, which can't read an HTTP status: their connection is accepted and closed. 3000 to 4999, or
   * 1008, 1011 to 1013. Default: 4000 and the status for 400 to 499 (401 gives 4401), else 1013.
   */
  readonly code?: number | undefined;
  /** The close reason for pages, at most 123 bytes of UTF-8. The client's `retry=` hint can stand here. Default `""`. */
  readonly reason?: string | undefined;
  /** Headers of the HTTP response, such as `Retry-After`. Default none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Characters that a header can't carry, because they would end it (RFC 9110, section 5.5). */
const CONTROLS = /[\0\r\n]/;

/** An answer of `authenticate`: the client may not connect. Made by {@link refuse}. */
export class Refusal {
  /** The HTTP status, 400 to 599. */
  readonly status: number;
  /** The close code for pages. */
  readonly code: number;
  /** The close reason for pages, `""` for none. */
  readonly reason: string;
  /** Headers of the HTTP response. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, options: RefusalOptions) {
    checkNames("", ["code", "reason", "headers"], options, failOption);
    const { code, reason = "", headers = {} } = options;
    if (!(Number.isInteger(status) && status >= 400 && status <= 599)) {
      throw badOption("status", "an HTTP status from 400 to 599", status);
    }
    if (code !== undefined) checkCode(code, SERVER_CODES);
    if (typeof reason !== "string" || Buffer.byteLength(reason) > MAX_REASON_BYTES) {
      throw badOption("reason", `a string of at most ${MAX_REASON_BYTES} bytes`, reason);
    }
    if (!isObject(headers)) throw badOption("headers", "an object of names and values", headers);
    for (const [name, value] of Object.entries(headers)) {
      if (CONTROLS.test(name + value)) throw badOption(`headers.${name}`, "a value that a header can carry", value);
    }
    this.status = status;
    this.code = code ?? (status < 500 ? 4000 + status : TRY_AGAIN_LATER);
    this.reason = reason;
    this.headers = headers;
  }
}

/**
 * Creates an answer of `authenticate` that refuses the client: by HTTP status before the upgrade, or for pages by a close
 * code right after the upgrade. `status` is 400 to 599, default 401.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * ```ts
 * handler(serve, {
 *   authenticate: async (request, { signal }) => {
 *     const user = await findUser(request.headers.cookie, { signal });
 *     return user?.id ?? refuse(401, { reason: "login" });
 *   },
 * });
 * ```
 */
export function refuse(status = 401, options: RefusalOptions = {}): Refusal {
  return new Refusal(status, options);
}
