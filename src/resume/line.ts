import type { Fate, Line } from "../outbox.ts";
import type { Payload } from "../payload.ts";

/** What a line needs of the end that it belongs to. */
export interface LineOwner {
  /** Whether nothing goes ahead of the next message, and the peer's window has room for it. */
  readonly isClear: boolean;
  write(line: Line, payload: Payload, fate?: Fate): boolean;
  /** Resolves when `isClear`, or `line` is left. */
  drain(line: Line): Promise<void>;
  ping(): void;
  hold(on: boolean): void;
}

/** A connection as the outbox sees it: full while something goes ahead of what the outbox has. */
export class OpenLine implements Line {
  protected readonly owner: LineOwner;
  readonly #line: Line;

  constructor(owner: LineOwner, line: Line) {
    this.owner = owner;
    this.#line = line;
  }

  get bufferedAmount(): number {
    return this.owner.isClear ? this.#line.bufferedAmount : Number.POSITIVE_INFINITY;
  }

  write(payload: Payload, fate?: Fate): boolean {
    return this.owner.write(this.#line, payload, fate);
  }

  async drain(bytes: number): Promise<void> {
    await this.owner.drain(this.#line);
    await this.#line.drain(bytes);
  }
}

/** The same while a session is on it, which asks for a sign of life and holds the peer back in its own way. */
export class KeptLine extends OpenLine {
  ping(): void {
    this.owner.ping();
  }

  hold(on: boolean): void {
    this.owner.hold(on);
  }
}
