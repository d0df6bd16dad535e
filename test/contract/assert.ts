// Assertions and patience for cases that know no test runner.

/** The time that a busy machine may add to any other. */
export const SLACK_MS = 3_000;
/** A case takes no longer, however busy the machine. */
export const CASE_MS = 11_000;
/** Timers may fire a little early. */
const EARLY_MS = 5;
const POLL_MS = 10;

export function show(value: unknown): string {
  return JSON.stringify(value, (_key, inner) => {
    // By no class, because the bytes may be of another realm.
    if (ArrayBuffer.isView(inner)) return `bytes ${new Uint8Array(inner.buffer, inner.byteOffset, inner.byteLength)}`;
    return inner === undefined ? "undefined" : inner;
  });
}

export function ok(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function equal(actual: unknown, expected: unknown): void {
  const [is, should] = [show(actual), show(expected)].map((text) =>
    text.length > 500 ? `${text.slice(0, 500)}…` : text,
  );
  ok(show(actual) === show(expected), `Expected ${should}, got ${is}.`);
}

/** `actual` has at least what `expected` has. */
export function matches(actual: object, expected: Readonly<Record<string, unknown>>): void {
  equal(Object.fromEntries(Object.keys(expected).map((key) => [key, (actual as typeof expected)[key]])), expected);
}

export function between(low: number, actual: number, high: number): void {
  ok(actual >= low - EARLY_MS && actual <= high, `Expected ${low} to ${high}, got ${actual}.`);
}

export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms.`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function until(what: string, isSo: () => boolean | Promise<boolean>, ms = 4_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await isSo())) {
    ok(performance.now() < end, `${what}: not within ${ms} ms.`);
    await moment();
  }
}

export function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

/** Milliseconds until `promise` settles. */
export async function timed(promise: Promise<unknown>, start = performance.now()): Promise<number> {
  await promise.catch(() => {});
  return performance.now() - start;
}

/** The code of an error, if it has one. */
export const codeOf = (error: unknown) => (error as { code?: string } | undefined)?.code;
