import type { Random } from "./random.ts";

const NOBODY = -1;

/**
 * The times at which clients act: a calendar queue with one page a millisecond. A client stands in it at most once, so a page is a list
 * threaded through one array, and nothing is ever allocated.
 */
export class Schedule {
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  readonly #page: Int32Array;
  readonly #random: Random;

  /** For `clients` clients, over the milliseconds from 0 up to `endMs`. */
  constructor(clients: number, endMs: number, random: Random) {
    this.#first = new Int32Array(endMs).fill(NOBODY);
    this.#next = new Int32Array(clients);
    this.#page = new Int32Array(clients);
    this.#random = random;
  }

  /** Enters a client that stands nowhere. Past the end of the calendar it is entered nowhere either. */
  enter(client: number, ms: number): void {
    const next = this.#first[ms];
    if (next === undefined) return;
    this.#next[client] = next;
    this.#first[ms] = client;
  }

  /**
   * Calls `act` for each client on a page, which may enter it again on a later one. The order is random, because
   * in the order of entry a server that is short of room would favour clients by how long they waited.
   */
  turn(ms: number, act: (client: number) => void): void {
    const page = this.#page;
    let length = 0;
    for (let client = this.#first[ms] ?? NOBODY; client !== NOBODY; client = this.#next[client] ?? NOBODY) {
      page[length++] = client;
    }
    for (; length > 1; length--) {
      const drawn = Math.floor(this.#random() * length);
      act(page[drawn] ?? NOBODY);
      page[drawn] = page[length - 1] ?? NOBODY;
    }
    if (length === 1) act(page[0] ?? NOBODY);
  }
}
