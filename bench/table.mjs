/** A Markdown table whose first column is text and whose others are figures. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [head, head.map((_, column) => (column === 0 ? "---" : "---:")), ...rows].map(line).join("\n");
}

/** Three digits that count, and thousands parted. */
export function figure(value) {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A median ratio with its range. */
export function ratio({ median, min, max }) {
  if (!Number.isFinite(median)) return "–";
  return `${median.toFixed(2)}× (${min.toFixed(2)} to ${max.toFixed(2)})`;
}
