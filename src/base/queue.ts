/** Shared by all queues that hold nothing, which is most of them most of the time. */
const EMPTY: never[] = [];

/** First in, first out. Nothing is shifted: what was pushed is turned over once, when it is needed. */
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
