/**
 * Counts the values of a JSON text before it is parsed: 1, and 1 for each comma, colon and opening bracket outside of
 * strings. A nested array takes two bytes of text and 58 of heap, so that 32 MiB of them would end a server of 256 MiB. Each
 * value takes a byte of text at least, so a text that is no longer than `maxElements` is not read.
 *
 * @throws RangeError for a text that holds more than `maxElements`
 */
export function checkJson(text: string, maxElements: number): void {
  let left = maxElements;
  let isInString = false;
  for (let at = 0; text.length > maxElements && at < text.length; at++) {
    const unit = text[at] as string;
    if (unit === '"') isInString = !isInString;
    else if (unit === "\\") at++;
    else if (!isInString && (unit === "," || unit === ":" || unit === "[" || unit === "{") && --left < 1) {
      throw new RangeError(`The message holds more than maxElements, ${maxElements}.`);
    }
  }
}
