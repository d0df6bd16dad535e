import type { Payload } from "./payload.ts";
import { Timer } from "./timer.ts";

export interface HeartbeatTimes {
  /** Milliseconds between pings while the connection is open. Default 15 s. */
  readonly intervalMs: number;
  /** Milliseconds without any sign of life after a ping, until the connection counts as dead. Default 10 s. */
  readonly timeoutMs: number;
}

export interface HeartbeatOptions extends Partial<HeartbeatTimes> {
  /** The payload that asks the server for a sign of life, where the platform has no protocol pings (browsers). */
  readonly ping?: (() => Payload) | undefined;
  /** Whether a payload is the answer to {@link ping}. It never reaches the application. */
  readonly isPong?: ((payload: Payload) => boolean) | undefined;
}

/** What the heartbeat needs of a connection. */
export interface Patient {
  write(payload: Payload): boolean;
  ping?(): void;
  /** An unsolicited pong, so that the peer does not give up a connection that we paused (RFC 6455, section 5.5.3). */
  pong?(): void;
  /** A figure that changes whenever something moves on the connection. */
  progress(): number;
}

export interface HeartbeatOwner {
  /** Whether we stopped reading, so that silence is our own doing. */
  isDeaf(): boolean;
  /** Runs a function of the user's; undefined where it throws. */
  guard<T>(name: string, act: () => T): T | undefined;
  answered(rttMs: number): void;
  died(): void;
}

/** How long a probe waits for a sign of life. */
export const PROBE_MS = 2_000;
/** Looks per wait, at least. More than one, since a buffer that empties and fills again shows only between looks. */
const LOOKS = 4;
/** A timer later than this says more about the machine than about the connection. */
const LATE_MS = 1_000;

/**
 * How silence is judged. One ping an interval; whatever moves after it is life. A late timer (a sleeping machine, a
 * throttled tab) alone never kills: the connection is probed then, and only the probe's own silence counts.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions & HeartbeatTimes;
  readonly #owner: HeartbeatOwner;
  readonly #timer = new Timer();
  #patient: Patient | undefined;
  #askedAt = 0;

  constructor(options: HeartbeatOptions & HeartbeatTimes, owner: HeartbeatOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  /** Begins with a quiet interval, if `patient` can be asked at all. */
  start(patient: Patient): void {
    if (!this.#options.ping && !patient.ping) return;
    this.#patient = patient;
    this.#rest(this.#options.intervalMs);
  }

  /** Asks for a sign of life now. Answers whether there is anybody to ask. */
  probe(): boolean {
    if (this.#patient) this.#ask(PROBE_MS, true);
    return this.#patient !== undefined;
  }

  stop(): void {
    this.#timer.stop();
    this.#patient = undefined;
  }

  /** Whether `payload` was an answer to a ping, and so none of the application's. */
  takes(payload: Payload): boolean {
    const { isPong } = this.#options;
    const isAnswer = isPong !== undefined && this.#owner.guard("isPong", () => isPong(payload)) === true;
    if (isAnswer) this.ponged();
    return isAnswer;
  }

  ponged(): void {
    this.#owner.answered(performance.now() - this.#askedAt);
  }

  #ping(patient: Patient): void {
    const { ping } = this.#options;
    this.#askedAt = performance.now();
    if (ping) this.#owner.guard("ping", () => patient.write(ping()));
    else patient.ping?.();
  }

  #rest(ms: number): void {
    const due = Date.now() + ms;
    this.#timer.start(
      ms,
      () => {
        if (this.#owner.isDeaf()) {
          this.#patient?.pong?.();
          this.#rest(this.#options.intervalMs);
        } else if (Date.now() - due > LATE_MS) this.probe();
        else this.#ask(this.#options.timeoutMs, false);
      },
      true,
    );
  }

  #ask(timeoutMs: number, isProbe: boolean): void {
    const { intervalMs } = this.#options;
    const patient = this.#patient as Patient;
    const needed = Math.max(LOOKS, Math.ceil(timeoutMs / intervalMs));
    const before = patient.progress();
    this.#ping(patient);
    let looks = 0;
    let due = Date.now();
    const look = () => {
      const late = Date.now() - due > LATE_MS;
      // Deafness came after the ping: the answer may be in front of closed ears.
      if (this.#owner.isDeaf() || patient.progress() !== before) {
        return this.#rest(Math.max(0, intervalMs - (timeoutMs / needed) * looks));
      }
      if (late && !isProbe) return this.probe();
      if (looks === needed) return this.#owner.died();
      wait();
    };
    const wait = () => {
      looks++;
      due = Date.now() + timeoutMs / needed;
      this.#timer.start(timeoutMs / needed, look, true);
    };
    wait();
  }
}
