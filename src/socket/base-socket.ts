import { MESSAGE_TOO_BIG, TOO_LARGE } from "../base/close-codes.ts";
import { noop } from "../base/deferred.ts";
import { ConnError } from "../base/errors.ts";
import { exceeds, type Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import type { ConnectionEnd, Socket, SocketOwner } from "./socket.ts";

const POLL_MS = 10;

/** Hears nothing. It stays on an abandoned socket for good: `ws` ends the process on an error that nobody handles. */
const NO_OWNER: SocketOwner = {
  onOpen: noop,
  onMessage: noop,
  onEnd: noop,
  onPong: noop,
};

/** What all adapters share: one owner until the end, the limit of a message, and the watch over the buffer. */
export abstract class BaseSocket implements Socket {
  protected owner: SocketOwner;
  /** Messages and pongs so far, and falls of the buffer that were seen. */
  protected activityCount = 0;
  readonly #maxPayloadBytes: number;
  #poll: Timer | undefined;
  #lastBuffered = 0;
  #bufferChange: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  constructor(maxPayloadBytes: number, owner: SocketOwner) {
    this.#maxPayloadBytes = maxPayloadBytes;
    this.owner = owner;
  }

  abstract readonly bufferedAmount: number;
  abstract write(payload: Payload): boolean;
  abstract close(code: number, reason: string): void;
  /** Ends the platform's socket. */
  protected abstract destroy(code?: number, reason?: string): void;

  async drain(bytes: number): Promise<void> {
    while (this.owner !== NO_OWNER && this.bufferedAmount > bytes) await this.bufferChange();
  }

  abandon(code?: number, reason?: string): void {
    // Once: Node 22 fires an error inside close() while it connects, and a close frame that is on its way may take its time.
    if (this.owner === NO_OWNER) return;
    this.owner = NO_OWNER;
    this.#wake?.();
    this.destroy(code, reason);
  }

  handOver(owner: SocketOwner): void {
    // A socket that has ended keeps its silence.
    if (this.owner !== NO_OWNER) this.owner = owner;
  }

  activity(): number {
    const buffered = this.unsentBytes;
    if (buffered < this.#lastBuffered) this.activityCount++;
    this.#lastBuffered = buffered;
    return this.activityCount;
  }

  /** Resolves when the buffer is worth another look. */
  protected bufferChange(): Promise<void> {
    this.#bufferChange ??= new Promise((resolve) => {
      this.#wake = () => {
        this.#poll?.stop();
        this.#bufferChange = undefined;
        resolve();
      };
      this.#poll ??= new Timer();
      this.#poll.start(POLL_MS, this.#wake);
    });
    return this.#bufferChange;
  }

  /** Bytes that the network does not take yet, as well as the platform tells. */
  protected get unsentBytes(): number {
    return this.bufferedAmount;
  }

  protected receive(payload: Payload): void {
    this.activityCount++;
    if (exceeds(payload, this.#maxPayloadBytes)) this.refuseTooLarge();
    else this.owner.onMessage(payload);
  }

  protected refuseTooLarge(): void {
    const cause = new ConnError("too-large", "A message is longer than maxPayloadBytes.");
    this.end({ code: MESSAGE_TOO_BIG, reason: "", clean: false, cause }, TOO_LARGE);
  }

  /** The end: told once, and the platform's socket is left to itself. */
  protected end(ending: ConnectionEnd, code?: number): void {
    const { owner } = this;
    this.abandon(code);
    owner.onEnd(ending);
  }
}
