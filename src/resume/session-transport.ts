import type { Payload } from "../base/payload.ts";
import type { DeliveryOptions, Transport } from "../core/outbox.ts";

/** What a transport needs of the endpoint that it belongs to. */
export interface TransportOwner {
  /** Whether nothing goes ahead of the next message, and the peer's window has room for it. */
  readonly isWritable: boolean;
  write(transport: Transport, payload: Payload, options?: DeliveryOptions): boolean;
  /** Resolves when `isWritable`, or `transport` is left. */
  drain(transport: Transport): Promise<void>;
  ping(): void;
  setPaused(on: boolean): void;
}

/** A connection as the outbox sees it: full while something goes ahead of what the outbox has. */
export class GatedTransport implements Transport {
  protected readonly owner: TransportOwner;
  readonly #transport: Transport;

  constructor(owner: TransportOwner, transport: Transport) {
    this.owner = owner;
    this.#transport = transport;
  }

  get bufferedAmount(): number {
    return this.owner.isWritable ? this.#transport.bufferedAmount : Number.POSITIVE_INFINITY;
  }

  write(payload: Payload, options?: DeliveryOptions): boolean {
    return this.owner.write(this.#transport, payload, options);
  }

  async drain(bytes: number): Promise<void> {
    await this.owner.drain(this.#transport);
    await this.#transport.drain(bytes);
  }
}

/** The same with a session, which pings and holds the peer back in its own way. */
export class SessionTransport extends GatedTransport {
  ping(): void {
    this.owner.ping();
  }

  setPaused(on: boolean): void {
    this.owner.setPaused(on);
  }
}
