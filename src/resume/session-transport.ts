import type { Payload } from "../base/payload.ts";
import type { DeliveryOptions, Transport } from "../core/outbox.ts";

/** What a line needs of the end that it belongs to. */
export interface TransportOwner {
  /** Whether nothing goes ahead of the next message, and the peer's window has room for it. */
  readonly isWritable: boolean;
  write(line: Transport, payload: Payload, fate?: DeliveryOptions): boolean;
  /** Resolves when `isClear`, or `line` is left. */
  drain(line: Transport): Promise<void>;
  ping(): void;
  setPaused(on: boolean): void;
}

/** A connection as the outbox sees it: full while something goes ahead of what the outbox has. */
export class GatedTransport implements Transport {
  protected readonly owner: TransportOwner;
  readonly #transport: Transport;

  constructor(owner: TransportOwner, line: Transport) {
    this.owner = owner;
    this.#transport = line;
  }

  get bufferedAmount(): number {
    return this.owner.isWritable ? this.#transport.bufferedAmount : Number.POSITIVE_INFINITY;
  }

  write(payload: Payload, fate?: DeliveryOptions): boolean {
    return this.owner.write(this.#transport, payload, fate);
  }

  async drain(bytes: number): Promise<void> {
    await this.owner.drain(this.#transport);
    await this.#transport.drain(bytes);
  }
}

/** The same while a session is on it, which asks for a sign of life and holds the peer back in its own way. */
export class SessionTransport extends GatedTransport {
  ping(): void {
    this.owner.ping();
  }

  setPaused(on: boolean): void {
    this.owner.setPaused(on);
  }
}
