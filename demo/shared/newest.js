/**
 * A receiver's account of numbered states, of which only the newest counts: a price list, a picture of a game. A number that
 * is skipped was replaced by a later one, and is no loss. A number that comes again, or late, is `repeated`, and is a fault.
 */
export class NewestLedger {
  shown = 0;
  skipped = 0;
  repeated = 0;
  #source;
  #last = 0;

  /**
   * @param {number} n
   * @param {string} [source] Where the numbers come from: a new source counts anew, and nothing of it was skipped.
   */
  count(n, source = "") {
    if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`${n} is no number of a state`);
    const isFirst = source !== this.#source;
    if (isFirst) this.#source = source;
    else if (n <= this.#last) {
      this.repeated++;
      return;
    } else this.skipped += n - this.#last - 1;
    this.#last = n;
    this.shown++;
  }
}
