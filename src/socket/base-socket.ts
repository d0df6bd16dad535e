import { ABNORMAL, MESSAGE_TOO_BIG, TOO_LARGE } from "../base/close-codes.ts";
import { noop } from "../base/deferred.ts";
import { ConnError } from "../base/errors.ts";
import { exceeds, type Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import type { ConnectionEnd, Socket, SocketOwner } from "./socket.ts";

const POLL_MS = 10;

/** Ignores all events. It stays on an abandoned socket, because `ws` ends the process on an unhandled error. */
const NO_OWNER: SocketOwner = {
  onOpen: noop,
  onMessage: noop,
  onEnd: noop,
  onPong: noop,
};

/** The common part of all adapters: one owner until the end, the limit of a message, and the watch over the buffer. */
export abstract class BaseSocket implements Socket {
  protected owner: SocketOwner;
  /** Messages and pongs so far, and times that the buffer was seen to shrink. */
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
  abstract close(code: number, reason: string): void;
  protected abstract readonly isOpen: boolean;
  /** Passes the message to the platform. */
  protected abstract send(payload: Payload): void;
  /** Ends the platform's socket. */
  protected abstract destroy(code?: number, reason?: string): void;

  write(payload: Payload): boolean {
    if (!this.isOpen) return false;
    try {
      this.send(payload);
      return true;
    } catch (cause) {
      // Not at once, because the caller is in the middle of a change. A platform that throws here would throw again.
      // By bind(), because V8 makes a scope for each call of a function that holds another.
      queueMicrotask(this.end.bind(this, { code: ABNORMAL, reason: "", clean: false, cause }, undefined));
      return false;
    }
  }

  async drain(bytes: number): Promise<void> {
    while (this.owner !== NO_OWNER && this.bufferedAmount > bytes) await this.bufferChange();
  }

  abandon(code?: number, reason?: string): void {
    // Once, because Node 22 fires an error inside close() while it connects, and a close frame may still be on its way.
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

  /** Resolves when the buffer may have shrunk. */
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

  /** Bytes that the network has not taken yet, as far as the platform exposes them. */
  protected get unsentBytes(): number {
    return this.bufferedAmount;
  }

  protected receive(payload: Payload, readAt?: number): void {
    this.activityCount++;
    if (exceeds(payload, this.#maxPayloadBytes)) this.refuseTooLarge();
    else this.owner.onMessage(payload, readAt);
  }

  protected refuseTooLarge(): void {
    const cause = new ConnError("too-large", "A message is longer than maxPayloadBytes.");
    this.end({ code: MESSAGE_TOO_BIG, reason: "", clean: false, cause }, TOO_LARGE);
  }

  /** Reports the end, once, and abandons the platform's socket. */
  protected end(ending: ConnectionEnd, code?: number): void {
    const { owner } = this;
    this.abandon(code);
    owner.onEnd(ending);
  }
}
