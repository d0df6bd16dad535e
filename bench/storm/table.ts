/** A number with one decimal, or a dash where there is none. */
export const one = (value: number | undefined) => (value === undefined ? "–" : value.toFixed(1));
/** Milliseconds as seconds. */
export const seconds = (ms: number | undefined) => (ms === undefined ? "–" : `${one(ms / 1_000)} s`);
/** A multiple. */
export const times = (value: number) => `${one(value)}×`;

/** A Markdown table whose first column is text and whose others are figures. */
export function table(head: readonly string[], rows: Iterable<readonly string[]>): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map(line).join("\n");
}
