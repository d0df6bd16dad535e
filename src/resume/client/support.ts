/**
 * Whether the server speaks resume, as far as a client knows.
 *
 * | name | meaning | the next dial |
 * |---|---|---|
 * | unknown | it has not spoken resume | makes the offer |
 * | tested | the same, and the last dial failed or was silent | goes without the offer |
 * | confirmed | it has spoken resume, so there may be a session to lose | makes the offer |
 * | doubted | the same, and three handshakes in a row failed | goes without the offer |
 * | offered | it opened without the offer, which is made once more to be sure | makes the offer |
 * | denied | it has certainly changed: only a dial that fails can save the session | goes without the offer |
 * | unsupported | it does not speak resume, and is not asked any more | goes without the offer |
 */
export interface Support {
  readonly name: "unknown" | "tested" | "confirmed" | "doubted" | "offered" | "denied" | "unsupported";
  /** Connections in a row on which the server was expected to greet, and did not. */
  readonly silences: number;
  /** Handshakes in a row that failed. */
  readonly failures: number;
}

/**
 * A dial shows that the server refused the handshake, which may be due to the offer (`"refused"`); that the handshake
 * failed for another reason (`"failed"`); that no greeting came in time, or a malformed one (`"silent"`); or that the
 * connection is open without resume (`"opened"`).
 */
export type SupportEvent = "refused" | "failed" | "silent" | "opened";

/** The consequence: dial again at once, retry after the usual wait, use the connection without resume. */
export type SupportOutcome = "again" | "failed" | "plain";

/** Failures in a row after which a server that has spoken resume is asked without the offer. */
const MAX_FAILURES = 3;
const MAX_SILENCES = 2;

/** Creates the state of a server about which nothing is known, or which has just greeted. */
export function createSupport(name: "unknown" | "confirmed"): Support {
  return { name, silences: 0, failures: 0 };
}

/** Whether a dial makes the offer. */
export function makesOffer({ name }: Support): boolean {
  return name === "unknown" || hasSpoken(name);
}

/** Whether the server has spoken resume, and is expected to do so again. */
export function hasSpoken(name: Support["name"]): boolean {
  return name === "confirmed" || name === "offered";
}

/**
 * Learns from a dial. A session is given up only in the outcome `plain`.
 *
 * | in | event | next | outcome |
 * |---|---|---|---|
 * | unknown | refused, silent | tested | again |
 * | unknown | opened | unsupported | plain |
 * | tested | opened, after one silence | unknown | plain |
 * | tested | opened, after a refusal or a second silence | unsupported | plain |
 * | tested | refused, failed | unknown | failed |
 * | confirmed | refused | confirmed, the third time doubted | failed, the third time again |
 * | confirmed | silent, opened | confirmed, the second time denied | failed, the second time again |
 * | doubted | opened | offered | again |
 * | offered | refused, silent, opened | denied | again |
 * | denied | opened | unsupported | plain |
 * | doubted, denied | refused, failed | confirmed | failed |
 * | unsupported | opened | unsupported | plain |
 * | any other | refused, failed | the same | failed |
 */
export function learn(support: Support, event: SupportEvent): readonly [Support, SupportOutcome] {
  const { name } = support;
  const isOpen = event === "silent" || event === "opened";
  const silences = support.silences + (event === "silent" || (isOpen && name === "confirmed") ? 1 : 0);
  const to = (next: Support["name"], outcome: SupportOutcome, failures = 0) =>
    [{ name: next, silences, failures }, outcome] as const;

  // The dial went without the offer: the server was tested, doubted, denied or unsupported.
  if (!makesOffer(support)) {
    if (!isOpen)
      return [name === "unsupported" ? support : createSupport(name === "tested" ? "unknown" : "confirmed"), "failed"];
    if (name === "doubted") return to("offered", "again");
    // Not given up after one silence, because a busy page may have missed the greeting.
    return to(name === "tested" && silences > 0 && silences < MAX_SILENCES ? "unknown" : "unsupported", "plain");
  }
  // The dial made the offer: the server was unknown, confirmed or offered.
  if (event === "failed") return [support, "failed"];
  if (name === "offered" || silences >= MAX_SILENCES) return to(name === "unknown" ? "tested" : "denied", "again");
  if (name === "unknown") return event === "opened" ? to("unsupported", "plain") : to("tested", "again");
  const failures = support.failures + (isOpen ? 0 : 1);
  return failures < MAX_FAILURES ? to("confirmed", "failed", failures) : to("doubted", "again");
}
