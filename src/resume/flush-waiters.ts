interface Waiter {
  /** The last message that it waits for. */
  readonly upTo: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Calls of `flush()` that wait until all messages up to one are acknowledged, or settled otherwise. */
export class FlushWaiters {
  readonly #waiting = new Set<Waiter>();

  /** Resolves when all messages up to `upTo` are settled. */
  add(upTo: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.add({ upTo, resolve, reject }));
  }

  /** Resolves the calls whose messages all come before `oldest`, the first message that is not settled. */
  settle(oldest: number): void {
    for (const waiter of this.#waiting) {
      if (waiter.upTo >= oldest) return;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  rejectAll(error: Error): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }
}
