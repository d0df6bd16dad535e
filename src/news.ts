import { Emitter, type ListenOptions } from "./emitter.ts";
import { Queue } from "./queue.ts";

/**
 * When events are told: at once, or, while something is being done, when it is done. Events that come while others are
 * told queue behind them, so that every listener hears them in one order and finds a finished world.
 */
export class News<Events extends object> {
  readonly #emitter = new Emitter<Events>();
  readonly #queue = new Queue<() => void>();
  #isPaused = false;
  #isEmitting = false;

  on<Name extends keyof Events & string>(
    event: Name,
    listener: (payload: Events[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    return this.#emitter.on(event, listener, options);
  }

  hasListeners(event: keyof Events & string): boolean {
    return this.#emitter.hasListeners(event);
  }

  emit<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    if (this.#isPaused || this.#isEmitting) this.enqueue(() => this.#emitter.emit(event, payload));
    else this.#emitter.emit(event, payload);
  }

  /** Tells a moment later, when whoever speaks is at rest too. */
  emitLater<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    this.enqueue(() => this.#emitter.emit(event, payload));
    queueMicrotask(() => this.#emitQueued());
  }

  /** Does `act` after all that is to be told before it. */
  enqueue(act: () => void): void {
    this.#queue.push(act);
  }

  /** Tells nothing until `release()`. */
  pause(): void {
    this.#isPaused = true;
  }

  flush(): void {
    this.#isPaused = false;
    this.#emitQueued();
  }

  #emitQueued(): void {
    if (this.#isEmitting) return;
    this.#isEmitting = true;
    for (let act = this.#queue.shift(); act; act = this.#queue.shift()) act();
    this.#isEmitting = false;
  }
}
