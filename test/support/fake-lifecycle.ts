import type { LifecycleSignal, LifecycleSource } from "../../src/index.ts";

/** A platform whose signals the test gives. */
export class FakeLifecycle implements LifecycleSource {
  /** Whether the platform believes that there is a network. */
  isUp = true;
  readonly #listeners = new Set<(signal: LifecycleSignal) => void>();

  /** How many listen. */
  get size(): number {
    return this.#listeners.size;
  }

  isOnline(): boolean {
    return this.isUp;
  }

  subscribe(tell: (signal: LifecycleSignal) => void): () => void {
    const listener = (signal: LifecycleSignal) => tell(signal);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells `signal`; the network goes with it. */
  emit(signal: LifecycleSignal): void {
    if (signal === "online" || signal === "offline") this.isUp = signal === "online";
    for (const listener of [...this.#listeners]) listener(signal);
  }
}
