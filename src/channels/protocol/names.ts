import { exceeds } from "../../base/payload.ts";
import { MAX_ID_LENGTH, MAX_NAME_BYTES } from "./limits.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
/** In a pattern with the flag `u`, a surrogate matches only where it stands alone. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;
const POSITION = /^[0-9a-z]{1,13}-[0-9a-z]{1,13}$/;

/** Whether `value` is the name of a channel: 1 to 200 bytes of UTF-8, without control characters, well-formed. */
export function isChannelName(value: unknown): value is string {
  return isWellFormed(value) && !exceeds(value, MAX_NAME_BYTES);
}

/** Whether `value` has the form of a position: a counter, a hyphen and a tag, in lower-case base 36. */
export function isPosition(value: unknown): value is string {
  return typeof value === "string" && POSITION.test(value);
}

/** Whether `value` can be the `id` of a publish: 1 to 128 characters, without control characters, well-formed. */
export function isPublishId(value: unknown): value is string {
  return isWellFormed(value) && value.length <= MAX_ID_LENGTH;
}

function isWellFormed(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !CONTROL.test(value) && !LONE_SURROGATE.test(value);
}
