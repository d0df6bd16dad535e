import { numberRule, type OptionRules } from "../base/option-rules.ts";

/** Bounds of what one message decodes to. A message beyond them is refused: `unmarshal`. */
export interface DecodeBounds {
  /**
   * Values that a message may hold: each number, string, key, array and so on counts as one. At least 1; default 65,536
   * and one for each 4 bytes of the message, but 1,000,000 at most.
   */
  readonly maxElements?: number | undefined;
  /** Levels that arrays and maps may be nested. From 1 to 1,000; default 1,000. */
  readonly maxDepth?: number | undefined;
}

/** Deeper nesting would come near the end of the stack. */
export const MAX_DEPTH = 1_000;

/** The rules of these options, for the codecs that take them. */
export const BOUND_RULES: OptionRules<DecodeBounds> = {
  maxElements: numberRule(1),
  maxDepth: numberRule(1, MAX_DEPTH, MAX_DEPTH),
};

const MIN_ELEMENTS = 65_536;
const MAX_ELEMENTS = 1_000_000;
const BYTES_PER_ELEMENT = 4;

/**
 * Counts the values of a message, and how deep they are nested, before the decoder creates them: an empty map is one byte
 * on the wire and 56 in memory, so that 32 MiB of them would take gigabytes.
 */
export class ElementCounter {
  readonly #maxElements: number;
  readonly #maxDepth: number;
  /** How many elements each open array or map waits for, outermost first. */
  readonly #open: number[] = [];
  #elements = 0;

  /** @param bytes the length of the message */
  constructor({ maxElements, maxDepth = MAX_DEPTH }: DecodeBounds, bytes: number) {
    this.#maxElements = maxElements ?? Math.min(MIN_ELEMENTS + bytes / BYTES_PER_ELEMENT, MAX_ELEMENTS);
    this.#maxDepth = maxDepth;
  }

  /** Counts an element that holds `count` others. @throws RangeError */
  add(count: number): void {
    if (++this.#elements > this.#maxElements) {
      throw new RangeError(`The message holds more than maxElements, ${Math.floor(this.#maxElements)}.`);
    }
    if (count === 0) this.#complete();
    else if (this.#open.push(count) > this.#maxDepth) {
      throw new RangeError(`The message is nested deeper than maxDepth, ${this.#maxDepth}.`);
    }
  }

  /** Counts the end of an array or a map that did not give its length. */
  end(): void {
    this.#open.pop();
    this.#complete();
  }

  /** Closes each array or map whose last element is complete. */
  #complete(): void {
    const open = this.#open;
    for (let top = open.length - 1; top >= 0; top--) {
      open[top] = (open[top] as number) - 1;
      if (open[top] !== 0) return;
      open.pop();
    }
  }
}
