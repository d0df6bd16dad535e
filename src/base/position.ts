/** The counter's digits, a hyphen and the tag. Both are bounded, so that a forged position stays small. */
const PATTERN = /^(0|[1-9a-z][0-9a-z]{0,9})-([0-9a-z]{1,12})$/;
const RADIX = 36;
const TAG_DIGITS = 6;

/** The parts of a position. */
export interface PositionParts {
  /** Orders the entries of one log. The head of an empty log counts 0. */
  readonly counter: number;
  /** Tells entries apart that have the same counter, as after a failover that lost the last writes. */
  readonly tag: string;
}

/** Returns the position of the `counter`-th entry, such as `2x-k7f3q`. */
export function formatPosition(counter: number, tag: string): string {
  return `${counter.toString(RADIX)}-${tag}`;
}

/** Returns the parts of a position, or undefined for anything else, such as a forged text. */
export function parsePosition(value: unknown): PositionParts | undefined {
  const match = typeof value === "string" ? PATTERN.exec(value) : null;
  const [, digits, tag] = match ?? [];
  if (digits === undefined || tag === undefined) return undefined;
  const counter = Number.parseInt(digits, RADIX);
  return Number.isSafeInteger(counter) ? { counter, tag } : undefined;
}

/** Returns a random tag, one of 36⁶ (2.2 billion). Two tags are compared only where their counters are equal. */
export function randomTag(random: () => number = Math.random): string {
  return Math.floor(random() * RADIX ** TAG_DIGITS)
    .toString(RADIX)
    .padStart(TAG_DIGITS, "0");
}
