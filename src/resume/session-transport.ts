import type { Payload } from "../base/payload.ts";
import type { DeliveryOptions, Transport } from "../core/outbox.ts";
import type { Sender } from "./sender.ts";

/** The connection as the outbox sees it: full while the sender has messages that go first, or the window is full. */
export class GatedTransport implements Transport {
  readonly #sender: Sender;
  readonly #transport: Transport;

  constructor(sender: Sender, transport: Transport) {
    this.#sender = sender;
    this.#transport = transport;
  }

  get bufferedAmount(): number {
    return this.#sender.isWritable ? this.#transport.bufferedAmount : Number.POSITIVE_INFINITY;
  }

  write(payload: Payload, options?: DeliveryOptions): boolean {
    return this.#sender.write(this.#transport, payload, options);
  }

  async drain(bytes: number): Promise<void> {
    await this.#sender.drain(this.#transport);
    await this.#transport.drain(bytes);
  }
}

/** The ways of a session to ping, and to hold the peer back. */
export interface SessionControls {
  ping(): void;
  setPaused(on: boolean): void;
}

/** The same with a session, which has its own pings and its own way to hold the peer back. */
export class SessionTransport extends GatedTransport {
  readonly #controls: SessionControls;

  constructor(sender: Sender, transport: Transport, controls: SessionControls) {
    super(sender, transport);
    this.#controls = controls;
  }

  ping(): void {
    this.#controls.ping();
  }

  setPaused(on: boolean): void {
    this.#controls.setPaused(on);
  }
}
