import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";

/** When silence is judged. */
export interface HeartbeatTimes {
  /** Milliseconds between pings while the connection is open. Default 15 s. */
  readonly intervalMs: number;
  /** Milliseconds without any sign of life after a ping, until the connection counts as dead. Default 10 s. */
  readonly timeoutMs: number;
}

/** How a dead connection is noticed. */
export interface HeartbeatOptions extends Partial<HeartbeatTimes> {
  /** The payload that asks the server for a sign of life, where the platform has no protocol pings (browsers). */
  readonly ping?: (() => Payload) | undefined;
  /** Whether a payload is the answer to {@link ping}. It never reaches the application. */
  readonly isPong?: ((payload: Payload) => boolean) | undefined;
}

/** What the heartbeat needs of a connection. */
export interface HeartbeatTarget extends Pingable {
  write(payload: Payload): boolean;
  /** An unsolicited pong, so that the peer does not give up a connection that we paused (RFC 6455, section 5.5.3). */
  pong?(): void;
  /** A figure that changes whenever something moves on the connection. */
  activity(): number;
}

/** What can be asked for a sign of life. */
export interface Pingable {
  ping?(): void;
}

export interface HeartbeatOwner {
  /** Runs a function of the user's; undefined where it throws. */
  guard<T>(name: string, act: () => T): T | undefined;
  onLatency(rttMs: number): void;
  onTimeout(): void;
}

/** How long a probe waits for a sign of life. */
const PROBE_MS = 2_000;
/** A connection that was asked this lately is not asked again for a doubt. */
const FRESH_MS = 1_000;
/** Looks per wait, at least. More than one, since a buffer that empties and fills again shows only between looks. */
const MIN_CHECKS = 4;
const MAX_CHECKS = 1_000;
/** A timer later than this says more about the machine than about the connection. */
const LATE_MS = 1_000;
/** As late as this, the machine slept. */
const SLEPT_MS = 60_000;

/**
 * How silence is judged. One ping an interval; whatever moves after it is life. A late timer (a sleeping machine, a
 * throttled tab, a clock that was set) alone never kills: the connection is asked once more, and only that silence
 * counts. While we hold the peer back we are deaf, and silence is not judged.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions & HeartbeatTimes;
  readonly #owner: HeartbeatOwner;
  readonly #timer = new Timer();
  #target: HeartbeatTarget | undefined;
  /** What a session makes of it, which may have its own way to ask. */
  #transport: Pingable | undefined;
  #pingedAt = Number.NEGATIVE_INFINITY;
  #isAnswered = true;
  #isProbing = false;

  constructor(options: HeartbeatOptions & HeartbeatTimes, owner: HeartbeatOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  /** Begins with a quiet interval, if `patient` can be asked at all: in the way of a session, the user's, or its own. */
  start(patient: HeartbeatTarget, line: Pingable): void {
    if (!line.ping && !this.#options.ping && !patient.ping) return;
    this.#target = patient;
    this.#transport = line;
    this.#schedulePing(this.#options.intervalMs);
  }

  /** Asks for a sign of life now, unless it was just asked for. Answers whether there is anybody to ask. */
  probe(): boolean {
    if (this.#target && !this.#isProbing && performance.now() - this.#pingedAt >= FRESH_MS)
      this.#pingAndWait(PROBE_MS, true);
    return this.#target !== undefined;
  }

  /** We stopped reading, or read again: silence is judged from a fresh ping on. */
  setPaused(on: boolean): void {
    if (!this.#target) return;
    if (on) this.#sendPongs();
    else this.#schedulePing(Math.max(0, this.#pingedAt + FRESH_MS - performance.now()));
  }

  stop(): void {
    this.#timer.stop();
    this.#target = this.#transport = undefined;
    this.#isProbing = false;
    this.#isAnswered = true;
  }

  /** Whether `payload` was an answer to a ping, and so none of the application's. */
  consumePong(payload: Payload): boolean {
    const { isPong } = this.#options;
    const isAnswer = isPong !== undefined && this.#owner.guard("isPong", () => isPong(payload)) === true;
    if (isAnswer) this.onPong();
    return isAnswer;
  }

  /** A pong came; one that nobody asked for says nothing of the round trip. */
  onPong(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#owner.onLatency(performance.now() - this.#pingedAt);
  }

  /** Unsolicited pongs, close enough that one falls into any time a peer of the same habits waits for an answer. */
  #sendPongs(): void {
    const { intervalMs, timeoutMs } = this.#options;
    this.#isProbing = false;
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
    const due = Date.now() + ms;
    this.#isProbing = false;
    this.#timer.start(ms, () => this.#pingAfter(Date.now() - due), true);
  }

  /** Asks, as is fit after a timer that was so late. */
  #pingAfter(lateMs: number): void {
    this.#pingAndWait(lateMs > SLEPT_MS ? PROBE_MS : this.#options.timeoutMs, lateMs > LATE_MS);
  }

  #pingAndWait(timeoutMs: number, isProbe: boolean): void {
    const { intervalMs } = this.#options;
    const patient = this.#target as HeartbeatTarget;
    const needed = Math.min(Math.max(MIN_CHECKS, Math.ceil(timeoutMs / intervalMs)), MAX_CHECKS);
    const before = patient.activity();
    let looks = 0;
    let due = 0;
    const look = () => {
      const lateMs = Date.now() - due;
      if (this.#isAnswered || patient.activity() !== before)
        this.#schedulePing(Math.max(0, intervalMs - (timeoutMs / needed) * looks));
      // A throttled tab would be asked for ever; a machine that slept again has heard nothing.
      else if (lateMs > (isProbe ? SLEPT_MS : LATE_MS)) this.#pingAfter(lateMs);
      else if (looks === needed) this.#owner.onTimeout();
      else wait();
    };
    const wait = () => {
      looks++;
      due = Date.now() + timeoutMs / needed;
      this.#timer.start(timeoutMs / needed, look, true);
    };
    this.#isProbing = isProbe;
    this.#pingedAt = performance.now();
    this.#isAnswered = false;
    wait();
    // Last, since a ping of the user's may end the connection.
    this.#ping(patient);
  }

  #ping(patient: HeartbeatTarget): void {
    const { ping } = this.#options;
    if (this.#transport?.ping) this.#transport.ping();
    else if (ping) this.#owner.guard("ping", () => patient.write(ping()));
    else patient.ping?.();
  }
}
