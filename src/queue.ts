/** First in, first out. Nothing is shifted: what was pushed is turned over once, when it is needed. */
export class Queue<T> {
  #pushed: T[] = [];
  #turned: T[] = [];

  get length(): number {
    return this.#pushed.length + this.#turned.length;
  }

  push(item: T): void {
    this.#pushed.push(item);
  }

  shift(): T | undefined {
    if (this.#turned.length === 0) {
      this.#turned = this.#pushed.reverse();
      this.#pushed = [];
    }
    return this.#turned.pop();
  }
}
