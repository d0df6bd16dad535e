import { noop } from "./deferred.ts";
import { MAX_TIMER_MS } from "./timer.ts";

/**
 * The rule of one option. `range` completes the sentence "it must be …". `take` returns the value in the form that is
 * used, or `undefined` for a value outside the range. `standard` is used where the option was not given.
 */
export type OptionRule = readonly [range: string, take: (value: unknown) => unknown, standard?: unknown];

/** The rules of a group of options: one for each name. */
export type OptionRules<T> = { readonly [name in keyof T]-?: OptionRule };

/** Creates the error for a bad option. `resume` passes its Conn's function, so that it need not bundle `ConnError`. */
export type OptionFailure = (message: string) => Error;

/** Two names are similar above this share of common pairs of letters. */
const MIN_SIMILARITY = 0.49;
const MAX_QUOTED = 40;

export const isFunction = (value: unknown): boolean => typeof value === "function";
export const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;

/** Whether `value` is an AbortSignal, of any realm. A common mistake is to give the controller. */
export const isSignal = (value: unknown): boolean => isObject(value) && "aborted" in (value as object);

/** Accepts what `isValid` accepts, as it is. */
export function rule(range: string, isValid: (value: unknown) => boolean, standard?: unknown): OptionRule {
  return [range, (value) => (isValid(value) ? value : undefined), standard];
}

/** Accepts a number from `min` on. A number above `max`, the most that the platform holds, counts as `max`. */
export function numberRule(min: number, standard?: number, max: number = Number.POSITIVE_INFINITY): OptionRule {
  const take = (value: unknown) => (typeof value === "number" && value >= min ? Math.min(value, max) : undefined);
  return [`a number, at least ${min}`, take, standard];
}

/** Accepts a number above 0. */
export function aboveZeroRule(standard?: number): OptionRule {
  return rule("a number above 0", (value) => typeof value === "number" && value > 0, standard);
}

/** Accepts milliseconds from `min` on. A wait that no timer can hold counts as the longest that one can. */
export function timeRule(min: number, standard: number): OptionRule {
  return numberRule(min, standard, MAX_TIMER_MS);
}

/** Accepts one of `words`, of which the first is the default. */
export function wordRule(...words: readonly string[]): OptionRule {
  return rule(words.join(" or "), (value) => words.includes(value as string), words[0]);
}

/** Accepts true and false. */
export function flagRule(standard?: boolean): OptionRule {
  return rule("true or false", (value) => typeof value === "boolean", standard);
}

/** Accepts an AbortSignal. */
export function signalRule(): OptionRule {
  return rule("an AbortSignal", isSignal);
}

/** Accepts a function. */
export function functionRule(standard?: unknown): OptionRule {
  return rule("a function", isFunction, standard);
}

/** The standard of each option, for each group of rules that was asked for. */
const STANDARDS = /* @__PURE__ */ new WeakMap<object, Record<string, unknown>>();

/**
 * Returns the options of `rules` as the user set them in `given`, or as standard, frozen. `undefined` means the standard.
 * Returns one object for all callers that change nothing, because the options of each Conn would take 255 bytes.
 *
 * @param group stands before each name in an error, such as `outbox.`
 * @throws what `fail` makes, for a value outside its range and for a name that `rules` do not have
 */
export function takeOptions<T extends object>(
  group: string,
  rules: OptionRules<T>,
  given: object,
  fail: OptionFailure,
): Readonly<T> {
  const standards = standardsOf(rules);
  let taken = standards;
  checkOptions(group, rules, given, fail, (name, value) => {
    if (value === standards[name]) return;
    if (taken === standards) taken = { ...standards };
    taken[name] = value;
  });
  return Object.freeze(taken) as Readonly<T>;
}

/**
 * Checks the options of `given`, and calls `use` with the value of each that was set, in the form that is used.
 *
 * @param group stands before each name in an error, such as `outbox.`
 * @throws what `fail` makes, for a value outside its range and for a name that `rules` do not have
 */
export function checkOptions<T extends object>(
  group: string,
  rules: OptionRules<T>,
  given: object,
  fail: OptionFailure,
  use: (name: string, value: unknown) => void = noop,
): void {
  if (!isObject(given)) throw fail(describeBadOption("The options", "an object", given));
  checkNames(group, Object.keys(rules), given, fail);
  for (const name in rules) {
    const value = given[name as never] as unknown;
    if (value === undefined) continue;
    const [range, take] = rules[name];
    const result = take(value);
    if (result === undefined) throw fail(describeBadOption(group + name, range, value));
    use(name, result);
  }
}

function standardsOf(rules: object): Record<string, unknown> {
  const known = STANDARDS.get(rules);
  if (known) return known;
  const pairs = Object.entries<OptionRule>(rules as Record<string, OptionRule>).map(([name, rule]) => [name, rule[2]]);
  // A copy, because V8 keeps an object that was filled by computed names as a hash table, and so all copies of it.
  const standards = { ...Object.fromEntries(pairs) };
  STANDARDS.set(rules, standards);
  return standards;
}

/** Refuses names that are not `known`, and suggests the nearest. @throws what `fail` makes */
export function checkNames(group: string, known: readonly string[], given: object, fail: OptionFailure): void {
  for (const name in given) {
    if (!known.includes(name) && given[name as never] !== undefined) {
      throw fail(`${group}${name} is not an option: use ${suggestName(name, known)}.`);
    }
  }
}

/** Returns the sentence for an option whose value is out of its range. */
export function describeBadOption(name: string, range: string, value: unknown): string {
  return `${name} must be ${range}; got ${describeValue(value)}.`;
}

/** Returns the known name that is spelt most like `name`, or a list of all where no name is similar. */
export function suggestName(name: string, known: readonly string[]): string {
  const given = name.toLowerCase();
  let best = MIN_SIMILARITY;
  let nearest = `one of ${known.join(", ")}`;
  for (const candidate of known) {
    const pairs = candidate.length - 1;
    let shared = 0;
    for (let i = 0; i < pairs; i++) if (given.includes(candidate.slice(i, i + 2).toLowerCase())) shared++;
    const similarity = shared / Math.max(pairs, given.length - 1);
    if (similarity > best) {
      best = similarity;
      nearest = candidate;
    }
  }
  return nearest;
}

function describeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, MAX_QUOTED));
  if (isFunction(value)) return "a function";
  if (isObject(value)) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}
