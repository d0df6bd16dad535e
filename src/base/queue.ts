/** Shared by all empty queues, because most of them are empty most of the time. */
const EMPTY: never[] = [];

/** First in, first out. Reverses the pushed items when it needs them, because `shift()` of an array moves all others. */
export class Queue<T> {
  #pushed: T[] = EMPTY;
  #turned: T[] = EMPTY;

  get length(): number {
    return this.#pushed.length + this.#turned.length;
  }

  push(item: T): void {
    if (this.#pushed.length > 0) this.#pushed.push(item);
    else this.#pushed = [item];
  }

  shift(): T | undefined {
    if (this.#turned.length === 0) {
      this.#turned = this.#pushed.reverse();
      this.#pushed = EMPTY;
    }
    const item = this.#turned.pop();
    if (this.#turned.length === 0) this.#turned = EMPTY;
    return item;
  }
}
