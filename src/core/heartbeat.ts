import type { Payload } from "../base/payload.ts";
import { SLEEP_MS, Timer } from "../base/timer.ts";

/** How a dead connection is noticed. */
export interface HeartbeatOptions {
  /** Milliseconds between pings while the connection is open. At least 1; default 15 s. */
  readonly intervalMs?: number | undefined;
  /** Milliseconds without any traffic after a ping, until the connection counts as dead. At least 1; default 10 s. */
  readonly timeoutMs?: number | undefined;
  /** Creates the payload that asks the server for an answer, where the platform has no protocol pings (browsers). */
  readonly ping?: (() => Payload) | undefined;
  /** Whether a payload is the answer to {@link ping}. Answers never reach the application. */
  readonly isPong?: ((payload: Payload) => boolean) | undefined;
}

/** The same, with a value for each option that has a default. */
export interface ResolvedHeartbeatOptions extends HeartbeatOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** The part of a connection that the heartbeat uses. */
export interface HeartbeatTarget extends Pingable {
  write(payload: Payload): boolean;
  /** Sends an unsolicited pong, so that the peer keeps a connection that we paused (RFC 6455, section 5.5.3). */
  pong?(): void;
  /** Returns a number that changes with all traffic on the connection. */
  activity(): number;
}

/** A connection, or a session on it, that can send a ping. */
export interface Pingable {
  ping?(): void;
}

export interface HeartbeatOwner {
  /** Runs a function of the user's; undefined where it throws. */
  guard<T>(name: string, act: () => T): T | undefined;
  onLatency(rttMs: number): void;
  onTimeout(): void;
}

/** How long a probe waits for traffic. */
const PROBE_MS = 2_000;
/** A connection that was pinged this recently is not pinged again by `probe()`. */
const FRESH_MS = 1_000;
/** Checks in a wait, at least. More than one, because a buffer that empties and fills again shows only in between. */
const MIN_CHECKS = 4;
const MAX_CHECKS = 1_000;
/** A timer later than this says more about the machine than about the connection. */
const LATE_MS = 1_000;

/**
 * Detects dead connections. Sends one ping per interval; any traffic afterwards counts as a reply. A late timer (a
 * sleeping machine, a throttled tab, a clock that was set) never ends a connection alone: another ping does, if there is
 * no reply to it either. Timeouts are suspended while reading is paused.
 */
export class Heartbeat {
  readonly #options: ResolvedHeartbeatOptions;
  readonly #owner: HeartbeatOwner;
  readonly #timer = new Timer();
  #target: HeartbeatTarget | undefined;
  /** The transport of the session, which may have its own ping. */
  #transport: Pingable | undefined;
  #pingedAt = Number.NEGATIVE_INFINITY;
  #isAnswered = true;
  /** There from a ping on, until it is known whether the connection is alive. */
  #wait: PingWait | undefined;

  constructor(options: ResolvedHeartbeatOptions, owner: HeartbeatOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  /** Sends the first ping after one interval, if anything can ping: the session, the user's `ping`, or the platform. */
  start(target: HeartbeatTarget, transport: Pingable): void {
    if (!transport.ping && !this.#options.ping && !target.ping) return;
    this.#target = target;
    this.#transport = transport;
    this.#schedulePing(this.#options.intervalMs);
  }

  /** Pings now, unless a ping has just been sent. Returns whether there is a connection to ping. */
  probe(): boolean {
    if (this.#target && !this.#wait?.isProbe && performance.now() - this.#pingedAt >= FRESH_MS)
      this.#pingAndWait(PROBE_MS, true);
    return this.#target !== undefined;
  }

  /** Called when reading was paused, or resumed: timeouts count from a new ping on. */
  setPaused(on: boolean): void {
    if (!this.#target) return;
    if (on) this.#sendPongs();
    else this.#scheduleNextPing(FRESH_MS);
  }

  stop(): void {
    this.#timer.stop();
    this.#target = this.#transport = this.#wait = undefined;
    this.#isAnswered = true;
  }

  /** Returns whether `payload` was an answer to a ping, and so not the application's. */
  consumePong(payload: Payload): boolean {
    const { isPong } = this.#options;
    const isAnswer = isPong !== undefined && this.#owner.guard("isPong", () => isPong(payload)) === true;
    if (isAnswer) this.onPong();
    return isAnswer;
  }

  /** Called when a pong came. An unsolicited one says nothing about the round trip. */
  onPong(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    // At once, so that one timer fires for a ping, and not one more to see the pong (`npm run bench -- --only idle`).
    if (this.#wait) this.#scheduleNextPing(this.#options.intervalMs);
    this.#owner.onLatency(performance.now() - this.#pingedAt);
  }

  /** Sends unsolicited pongs, often enough that a peer with the same options sees one in each of its waits. */
  #sendPongs(): void {
    const { intervalMs, timeoutMs } = this.#options;
    this.#wait = undefined;
    this.#timer.start(
      Math.min(intervalMs, timeoutMs) / 2,
      () => {
        this.#target?.pong?.();
        this.#sendPongs();
      },
      true,
    );
  }

  #schedulePing(ms: number): void {
    this.#wait = undefined;
    this.#timer.start(ms, (lateMs) => this.#pingAfter(lateMs), true);
  }

  /** Schedules the next ping so many milliseconds after the last one. */
  #scheduleNextPing(ms: number): void {
    this.#schedulePing(Math.max(0, this.#pingedAt + ms - performance.now()));
  }

  /** Pings with the wait that suits a timer which was `lateMs` late. */
  #pingAfter(lateMs: number): void {
    this.#pingAndWait(lateMs > SLEEP_MS ? PROBE_MS : this.#options.timeoutMs, lateMs > LATE_MS);
  }

  #pingAndWait(timeoutMs: number, isProbe: boolean): void {
    const target = this.#target as HeartbeatTarget;
    const checks = Math.min(Math.max(MIN_CHECKS, Math.ceil(timeoutMs / this.#options.intervalMs)), MAX_CHECKS);
    this.#pingedAt = performance.now();
    this.#isAnswered = false;
    this.#wait = { baseline: target.activity(), stepMs: timeoutMs / checks, checks, isProbe, checked: 0 };
    this.#scheduleCheck(this.#wait);
    // Last, because a `ping` of the user's may end the connection.
    this.#ping(target);
  }

  #scheduleCheck(wait: PingWait): void {
    this.#timer.start(wait.stepMs, (lateMs) => this.#check(wait, lateMs), true);
  }

  #check(wait: PingWait, lateMs: number): void {
    wait.checked++;
    switch (decide(wait, (this.#target as HeartbeatTarget).activity(), lateMs)) {
      case "alive":
        return this.#scheduleNextPing(this.#options.intervalMs);
      case "late":
        return this.#pingAfter(lateMs);
      case "dead":
        return this.#owner.onTimeout();
      case "undecided":
        return this.#scheduleCheck(wait);
    }
  }

  #ping(target: HeartbeatTarget): void {
    const { ping } = this.#options;
    if (this.#transport?.ping) this.#transport.ping();
    else if (ping) this.#owner.guard("ping", () => target.write(ping()));
    else target.ping?.();
  }
}

/** The wait after one ping, in equal steps with a check at the end of each. */
interface PingWait {
  /** The `activity()` of the connection before the ping. */
  readonly baseline: number;
  readonly stepMs: number;
  readonly checks: number;
  readonly isProbe: boolean;
  /** Steps that are over. */
  checked: number;
}

/**
 * Returns what is known at the end of a step:
 *
 * | result | when | then |
 * |---|---|---|
 * | alive | there was traffic, though no pong, which ends the wait at once | rest until the next ping |
 * | late | no traffic, but the timer was late (for a probe: later than a sleep) | ping again, because a throttled tab or a machine that slept had no chance to receive |
 * | dead | no traffic until the end of the last step | the connection ends |
 * | undecided | no traffic so far | wait for another step |
 */
function decide(
  { baseline, checks, isProbe, checked }: PingWait,
  activity: number,
  lateMs: number,
): "alive" | "late" | "dead" | "undecided" {
  if (activity !== baseline) return "alive";
  // A probe allows more, because a throttled tab would otherwise ping for ever.
  if (lateMs > (isProbe ? SLEEP_MS : LATE_MS)) return "late";
  return checked === checks ? "dead" : "undecided";
}
