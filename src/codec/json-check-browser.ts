/**
 * Takes the place of the check of `json-check.ts` in a page, which trusts its server: a text that is too much for its heap
 * ends that page alone, and 100 bytes of brotli are a lot for it.
 */
export function checkJson(_text: string, _maxElements: number): void {}
