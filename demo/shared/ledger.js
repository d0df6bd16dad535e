/** More missing numbers than this come from no cut, but from somebody who makes numbers up. */
const MAX_MISSING = 100_000;

/**
 * A receiver's account of messages that their sender numbers from 1 on: a skipped number is lost, unless it arrives later,
 * and a repeated number is doubled. Both ends use it, and it knows nothing of connections.
 */
export class Ledger {
  received = 0;
  doubled = 0;
  /** The highest number so far. */
  last = 0;
  #missing = new Set();

  get lost() {
    return this.#missing.size;
  }

  get figures() {
    return { received: this.received, lost: this.lost, doubled: this.doubled };
  }

  /** @param {number} n */
  count(n) {
    if (!Number.isSafeInteger(n) || n < 1 || n - this.last + this.lost > MAX_MISSING) {
      throw new RangeError(`${n} can't be the number after ${this.last}`);
    }
    this.received++;
    if (n <= this.last) {
      if (!this.#missing.delete(n)) this.doubled++;
      return;
    }
    for (let missing = this.last + 1; missing < n; missing++) this.#missing.add(missing);
    this.last = n;
  }
}
