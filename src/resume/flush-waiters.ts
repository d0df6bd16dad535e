interface Flush {
  /** The last message that it waits for. */
  readonly upTo: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Those who wait until all messages up to one have met their fate. */
export class FlushWaiters {
  readonly #waiting = new Set<Flush>();

  add(upTo: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.add({ upTo, resolve, reject }));
  }

  /** All before the message `oldest` have met theirs. */
  settle(oldest: number): void {
    for (const flush of this.#waiting) {
      if (flush.upTo >= oldest) return;
      this.#waiting.delete(flush);
      flush.resolve();
    }
  }

  rejectAll(error: Error): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }
}
