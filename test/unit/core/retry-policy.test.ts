import { describe, expect, test } from "vitest";
import { fatal } from "../../../src/base/errors.ts";
import {
  decideRetry,
  describeEnd,
  isAuth,
  isRetryable,
  type RetryContext,
  type RetryHistory,
  reasonOf,
  requestedDelay,
} from "../../../src/core/retry-policy.ts";
import type { State } from "../../../src/core/state-machine.ts";
import type { ConnectionEnd } from "../../../src/socket/socket.ts";
import { FINAL_CODES, REFUSED_CODES, RETRIED_CODES } from "../../support/close-codes.ts";

const FRESH: RetryHistory = { everOpened: false, canRenew: false, refusals: 0 };
const ended = (code: number, rest: Partial<ConnectionEnd> = {}): ConnectionEnd => ({
  code,
  reason: "",
  clean: true,
  ...rest,
});
const refused = (status: number, rest: Partial<ConnectionEnd> = {}) => ended(1006, { clean: false, status, ...rest });

describe("isRetryable()", () => {
  test.for([1000, ...FINAL_CODES])("is false for %i", (code) => {
    expect(isRetryable(ended(code), { everOpened: true, canRenew: true, refusals: 0 })).toBe(false);
  });

  test.for(RETRIED_CODES)("is true for %i", (code) => {
    expect(isRetryable(ended(code), FRESH)).toBe(true);
  });

  test.for([400, 402, 404, 410, 426, 499])("is false for a first upgrade refused with %i", (status) => {
    expect(isRetryable(refused(status), FRESH)).toBe(false);
  });

  test("is true for a certificate that was refused only after a first open: the server may renew it", () => {
    expect(isRetryable(ended(1015), FRESH)).toBe(false);
    expect(isRetryable(ended(1015), { ...FRESH, everOpened: true })).toBe(true);
  });

  test.for([400, 404, 410, 499])("is true for %i after a first open: the server may be deploying", (status) => {
    expect(isRetryable(refused(status), { ...FRESH, everOpened: true })).toBe(true);
  });

  test.for([200, 302, 408, 425, 429, 500, 502, 503])("is true for a first upgrade answered with %i", (status) => {
    expect(isRetryable(refused(status), FRESH)).toBe(true);
  });

  test.for([...REFUSED_CODES.map((code) => ended(code)), refused(401), refused(403)])(
    "grants one more try to %o where it can bring other credentials",
    (ending) => {
      expect(isAuth(ending)).toBe(true);
      expect(isRetryable(ending, { ...FRESH, everOpened: true })).toBe(false);
      expect(isRetryable(ending, { ...FRESH, canRenew: true })).toBe(true);
      expect(isRetryable(ending, { everOpened: true, canRenew: true, refusals: 1 })).toBe(false);
    },
  );

  test("judges a refused upgrade by its status, not by 1006", () => {
    expect(isAuth(refused(500))).toBe(false);
    expect(isAuth(ended(1006))).toBe(false);
    expect(isRetryable(refused(404), FRESH)).toBe(false);
  });

  test("is true for a final code whose reason asks us to come back", () => {
    expect(isRetryable(ended(1008, { reason: "retry=100" }), FRESH)).toBe(true);
    expect(isRetryable(ended(4404, { reason: "retry=100-200" }), FRESH)).toBe(true);
  });
});

describe("requestedDelay()", () => {
  test.for([
    ["retry=100-200", [100, 200]],
    ["retry=100", [100, 125]],
    ["restart; retry=100-200", [100, 200]],
    ["restart, retry=100-200; soon", [100, 200]],
    ["retry=0-500", [0, 500]],
    ["retry=200-100", [200, 250]],
    ["retry=100-100", [100, 125]],
    ["retry=500000", [500_000, 600_000]],
    ["retry=500000-0", [500_000, 600_000]],
  ] as const)("reads %s", ([reason, window]) => {
    expect(requestedDelay(ended(1012, { reason }))).toEqual(window);
  });

  test.for(["", "retry", "retry=", "retry=x", "retry=-5", "retry=1.5", "noretry=100", "retry=100-200ms", "retry=1e3"])(
    "reads nothing from %j",
    (reason) => {
      expect(requestedDelay(ended(1012, { reason }))).toBeUndefined();
    },
  );

  test("caps at 10 minutes, and spreads from there", () => {
    expect(requestedDelay(ended(1012, { reason: "retry=9999999" }))?.[0]).toBe(600_000);
    expect(requestedDelay(ended(1012, { reason: "retry=1000-9999999" }))).toEqual([1_000, 600_000]);
    expect(requestedDelay(ended(1012, { reason: `retry=${"9".repeat(400)}` }))?.[0]).toBe(600_000);
  });

  test("reads Retry-After in seconds", () => {
    expect(requestedDelay(refused(503, { retryAfter: "2" }))).toEqual([2_000, 2_500]);
    expect(requestedDelay(refused(503, { retryAfter: " 120 " }))).toEqual([120_000, 150_000]);
  });

  test.for(["2026-01-01T00:00:04Z", "Thu, 01 Jan 2026 00:00:04 +0000"])(
    "reads %j as a date, not as a number",
    (retryAfter) => {
      expect(requestedDelay(refused(503, { retryAfter }), Date.UTC(2026, 0, 1))).toEqual([4_000, 5_000]);
    },
  );

  test("reads Retry-After as a date, and one that has passed as now", () => {
    const now = Date.UTC(2026, 0, 1);
    const retryAfter = new Date(now + 4_000).toUTCString();
    expect(requestedDelay(refused(503, { retryAfter }), now)).toEqual([4_000, 5_000]);
    expect(requestedDelay(refused(503, { retryAfter }), now + 60_000)).toEqual([0, 0]);
  });

  test("reads nothing from a Retry-After that is neither", () => {
    expect(requestedDelay(refused(503, { retryAfter: "soon" }))).toBeUndefined();
  });
});

describe("decideRetry()", () => {
  const OPEN: State = { name: "open", attempt: 0, isStable: true };
  const CONTEXT: RetryContext = {
    state: OPEN,
    everOpened: true,
    canRenew: false,
    refusals: 0,
    triedMs: 0,
    isOnline: true,
    retryReason: "backoff",
  };
  const OPTIONS = { shouldRetry: undefined, backoff: () => 1_000, maxRetries: 9, giveUpAfterMs: 20_000 };
  const run = <T>(_name: string, act: () => T): T => act();
  const decide = (end: ConnectionEnd, context: Partial<RetryContext> = {}, options: Partial<typeof OPTIONS> = {}) =>
    decideRetry(end, { ...CONTEXT, ...context }, { ...OPTIONS, ...options }, run, () => 0.5);

  test("waits as long as the backoff says", () => {
    expect(decide(ended(1006))).toEqual({ retry: true, delayMs: 1_000, reason: "backoff" });
  });

  test("waits for the network within the limit, and 30 s at most", () => {
    expect(decide(ended(1006), { isOnline: false, triedMs: 5_000 })).toEqual({
      retry: true,
      delayMs: 15_000,
      reason: "offline",
    });
    expect(decide(ended(1006), { isOnline: false }, { giveUpAfterMs: 90_000 })).toEqual({
      retry: true,
      delayMs: 30_000,
      reason: "offline",
    });
  });

  test("takes a given delay in place of the backoff", () => {
    expect(decide(ended(1006), { retryDelayMs: 400 })).toEqual({ retry: true, delayMs: 400, reason: "backoff" });
  });

  test("ends by the peer or gives up where there will be no other connection", () => {
    expect(decide(ended(1001), { retryReason: false })).toEqual({ retry: false, by: "peer", error: undefined });
    expect(decide(ended(1006, { clean: false }), { retryReason: false })).toMatchObject({
      retry: false,
      by: "gave-up",
    });
  });

  test("ends by policy for a fatal error, whatever the code", () => {
    const decision = decide(ended(1006, { cause: fatal("no such token") }));
    expect(decision).toMatchObject({ retry: false, by: "policy", error: { code: "closed" } });
  });

  test("retries in exactly the time that is left, and gives up beyond it", () => {
    expect(decide(ended(1006), { triedMs: 19_000 })).toMatchObject({ retry: true });
    expect(decide(ended(1006), { triedMs: 19_001 })).toMatchObject({ retry: false, by: "gave-up" });
  });

  test("names the user's function that it guards", () => {
    const names: string[] = [];
    const guard = <T>(name: string, act: () => T): T => {
      names.push(name);
      return act();
    };
    decideRetry(ended(1006), CONTEXT, { ...OPTIONS, shouldRetry: () => true }, guard);
    expect(names).toEqual(["shouldRetry", "backoff"]);
  });
});

describe("describeEnd()", () => {
  test.for<[State, boolean]>([
    [{ name: "idle" }, false],
    [{ name: "connecting", attempt: 1 }, false],
    [{ name: "open", attempt: 0, isStable: true }, true],
    [{ name: "closing", frame: { code: 1000, reason: "" } }, true],
  ])("says of %o whether it was open: %s", ([state, wasOpen]) => {
    expect(describeEnd(ended(1006), state, true)).toEqual({ ...ended(1006), wasOpen, willRetry: true });
  });
});

describe("reasonOf()", () => {
  const several = new AggregateError([new Error("connect ECONNREFUSED ::1:80")], "several");

  test.for<[ConnectionEnd, string]>([
    [ended(1001), "1001: no reason was given."],
    [ended(1001, { reason: "deploy." }), "1001: deploy."],
    [ended(1001, { reason: "deploy", cause: new Error("reset") }), "1001: deploy."],
    [ended(1006, { cause: new Error("reset.") }), "1006: reset."],
    [ended(1006, { cause: several }), "1006: AggregateError: several (Error: connect ECONNREFUSED ::1:80)."],
    [ended(1006, { cause: "torn" }), "1006: torn."],
    [refused(503), "503: no reason was given."],
  ])("says of %o: %s", ([end, text]) => {
    expect(reasonOf(end)).toBe(text);
  });
});
