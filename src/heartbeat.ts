import { Timer } from "./timer.ts";

export interface HeartbeatTimes {
  /** Milliseconds between pings while the connection is open. Default 15 s. */
  readonly intervalMs: number;
  /** Milliseconds without any sign of life after a ping, until the connection counts as dead. Default 10 s. */
  readonly timeoutMs: number;
}

/** What the heartbeat needs of a connection. */
export interface Patient {
  ping(): void;
  /** An unsolicited pong, so that the peer does not give up a connection that we paused (RFC 6455, section 5.5.3). */
  pong(): void;
  /** A figure that changes whenever something moves on the connection. */
  progress(): number;
  /** Whether we stopped reading, so that silence is our own doing. */
  isDeaf(): boolean;
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
  readonly #times: HeartbeatTimes;
  readonly #patient: Patient;
  readonly #timer = new Timer();

  constructor(times: HeartbeatTimes, patient: Patient) {
    this.#times = times;
    this.#patient = patient;
  }

  /** Starts with a quiet interval. */
  start(): void {
    this.#rest(this.#times.intervalMs);
  }

  /** Asks for a sign of life now, within `timeoutMs`. */
  probe(timeoutMs = PROBE_MS): void {
    this.#ask(timeoutMs, true);
  }

  stop(): void {
    this.#timer.stop();
  }

  #rest(ms: number): void {
    const due = Date.now() + ms;
    this.#timer.start(
      ms,
      () => {
        if (this.#patient.isDeaf()) {
          this.#patient.pong();
          this.#rest(this.#times.intervalMs);
        } else if (Date.now() - due > LATE_MS) this.probe();
        else this.#ask(this.#times.timeoutMs, false);
      },
      true,
    );
  }

  #ask(timeoutMs: number, isProbe: boolean): void {
    const { intervalMs } = this.#times;
    const needed = Math.max(LOOKS, Math.ceil(timeoutMs / intervalMs));
    const before = this.#patient.progress();
    this.#patient.ping();
    let looks = 0;
    let due = Date.now();
    const look = () => {
      const late = Date.now() - due > LATE_MS;
      // Deafness came after the ping: the answer may be in front of closed ears.
      if (this.#patient.isDeaf() || this.#patient.progress() !== before) {
        return this.#rest(Math.max(0, intervalMs - (timeoutMs / needed) * looks));
      }
      if (late && !isProbe) return this.probe();
      if (looks === needed) return this.#patient.died();
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
