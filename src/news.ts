import { Emitter, type ListenOptions } from "./emitter.ts";
import { Queue } from "./queue.ts";

/**
 * When events are told: at once, or, while something is being done, when it is done. Events that come while others are
 * told queue behind them, so that every listener hears them in one order and finds a finished world.
 */
export class News<Events extends object> {
  readonly #emitter = new Emitter<Events>();
  readonly #queue = new Queue<() => void>();
  #isHeld = false;
  #isTelling = false;

  on<Name extends keyof Events & string>(
    event: Name,
    listener: (payload: Events[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    return this.#emitter.on(event, listener, options);
  }

  hears(event: keyof Events & string): boolean {
    return this.#emitter.hears(event);
  }

  emit<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    if (this.#isHeld || this.#isTelling) this.after(() => this.#emitter.emit(event, payload));
    else this.#emitter.emit(event, payload);
  }

  /** Tells a moment later, when whoever speaks is at rest too. */
  emitSoon<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    this.after(() => this.#emitter.emit(event, payload));
    queueMicrotask(() => this.#tell());
  }

  /** Does `act` after all that is to be told before it. */
  after(act: () => void): void {
    this.#queue.push(act);
  }

  /** Tells nothing until `release()`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#tell();
  }

  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let act = this.#queue.shift(); act; act = this.#queue.shift()) act();
    this.#isTelling = false;
  }
}
