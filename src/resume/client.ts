import type { Line } from "../outbox.ts";
import type { Payload } from "../payload.ts";
import type { Beginning, Rest, Session, SessionOwner } from "../session.ts";
import { Timer } from "../timer.ts";
import { Endpoint, type Item } from "./endpoint.ts";
import { encode } from "./frame.ts";
import { declined, type Guest, guest, heard, left, offers, opened, type Step, served, unheard } from "./guest.ts";
import { speaksResume, withoutResume, withResume } from "./name.ts";

/**
 * How long a server that speaks resume can take for its first message, which rides with the handshake's answer; and one
 * that spoke it before.
 */
const GREETING_MS = 1_000;
const NEXT_GREETING_MS = 5_000;
/** Statuses by which a server refuses something else than the offer. */
const NOT_THE_OFFER = new Set([401, 403, 404, 408, 410, 425, 429]);

export interface ClientOptions {
  readonly windowBytes: number;
  readonly acksTaken: boolean;
  /** A number from 0 to 1. */
  random(): number;
}

/** The client's end of a session: negotiates it on each connection. */
export class ClientSession implements Session {
  readonly #owner: SessionOwner;
  readonly #options: ClientOptions;
  readonly #guest: Guest<Item>;
  readonly #endpoint: Endpoint;
  readonly #greeting = new Timer();
  readonly #move = new Timer();
  #line: Line | undefined;
  #protocol = "";
  #begun: ((beginning: Beginning | undefined) => void) | undefined;

  constructor(owner: SessionOwner, options: ClientOptions) {
    const { windowBytes, acksTaken } = options;
    this.#owner = owner;
    this.#options = options;
    this.#guest = guest(windowBytes);
    this.#endpoint = new Endpoint(owner, {
      acksTaken,
      moved: (minMs, maxMs) => this.#moveIn(minMs + this.#options.random() * Math.max(0, maxMs - minMs)),
    });
  }

  get unacknowledged(): { messages: number; bytes: number } {
    return this.#endpoint.unacknowledged;
  }

  offer(protocols: readonly string[]): readonly string[] {
    return offers(this.#guest) ? withResume(protocols) : protocols;
  }

  declined(cause: unknown, status: number | undefined): boolean {
    const isNetwork = typeof cause === "object" && cause !== null && "code" in cause;
    const isOther = status !== undefined && (status < 400 || status >= 500 || NOT_THE_OFFER.has(status));
    return !isNetwork && !isOther && declined(this.#guest);
  }

  begin(line: Line, protocol: string): Beginning | Promise<Beginning | undefined> {
    this.#protocol = withoutResume(protocol);
    this.#line = line;
    const step = opened(this.#guest, speaksResume(protocol));
    if (step === "again") return Promise.resolve(undefined);
    if (step) return this.#plain(line, step);
    return new Promise((resolve) => {
      this.#begun = resolve;
      this.#greeting.start(this.#guest.knows ? NEXT_GREETING_MS : GREETING_MS, () => {
        if (unheard(this.#guest)) resolve(undefined);
      });
    });
  }

  serve(): void {
    served(this.#guest);
    this.#endpoint.serve();
  }

  incoming(payload: Payload): Payload | undefined {
    const { phase } = this.#guest;
    if (phase === "bound" || phase === "joining") return this.#endpoint.incoming(payload);
    if (phase === "plain") return payload;
    return phase === "away" ? undefined : this.#heard(payload);
  }

  took(): void {
    this.#endpoint.took();
  }

  left(): void {
    this.#greeting.stop();
    this.#move.stop();
    this.#begun = this.#line = undefined;
    left(this.#guest);
    this.#endpoint.left();
    if (!this.#guest.own) this.#endpoint.forget();
  }

  flush(): Promise<void> {
    return this.#endpoint.flush();
  }

  goodbye(): void {
    this.#endpoint.goodbye();
  }

  end(error: (payload?: Payload) => Error, isByPeer: boolean): Rest {
    return this.#endpoint.end(error, isByPeer);
  }

  #heard(payload: Payload): Payload | undefined {
    const line = this.#line;
    if (!line) return undefined;
    const step = heard(this.#guest, payload);
    this.#greeting.stop();
    switch (step.type) {
      case "say":
        line.write(encode(step.frame));
        return undefined;
      case "fresh": {
        if (step.remains) this.#endpoint.lost(step.remains, this.#guest.waiting);
        line.write(encode(step.frame));
        this.#begin(this.#endpoint.bind(line, this.#guest.own?.flow), false);
        return undefined;
      }
      case "resumed": {
        const kept = this.#endpoint.bind(line, this.#guest.own?.flow);
        this.#endpoint.returned(step.back);
        this.#endpoint.resume(step.back);
        this.#begin(kept, true);
        return undefined;
      }
      case "ended":
        this.#endpoint.ended(step.delivered);
        return undefined;
      case "plain": {
        const { resumed, line: open } = this.#plain(line, step);
        this.#begin(open, resumed);
        return payload;
      }
      case "breach":
        this.#owner.breached("The server broke the rules of resume.v1.");
        return undefined;
    }
  }

  #plain(line: Line, step: Step<Item>): Beginning {
    if (step.type === "plain" && step.remains) this.#endpoint.lost(step.remains, this.#guest.waiting);
    return { line: this.#endpoint.bind(line, undefined), protocol: this.#protocol, resumed: false };
  }

  #begin(line: Line, resumed: boolean): void {
    this.#begun?.({ line, protocol: this.#protocol, resumed });
  }

  #moveIn(ms: number): void {
    this.#move.start(ms, () => this.#owner.toldToMove(), true);
  }
}
