// Charts as SVG, the same for the same figures: no clock, no randomness. The colours stand on light and dark pages.
import { figure } from "./table.mjs";

const WIDTH = 760;
const NAME_WIDTH = 210;
const ROW = 26;
const STYLE = `<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.ours { fill: #2f81f7; stroke: #2f81f7 } .other { fill: #8b949e; stroke: #8b949e } .grid { stroke: #8b949e; opacity: .3 }
polyline { fill: none !important; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }
</style>`;

const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const kind = (name) => (name.startsWith("tautline") ? "ours" : "other");
const at = (number) => number.toFixed(1);

function svg(title, height, parts) {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`;
  return [
    head,
    `<title>${safe(title)}</title>`,
    STYLE,
    `<text x="8" y="20">${safe(title)}</text>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

/** One bar for each of `[name, value]`. */
export function bars(title, values) {
  const most = Math.max(...values.map(([, value]) => value), Number.MIN_VALUE);
  const room = WIDTH - NAME_WIDTH - 110;
  const rows = values.flatMap(([name, value], row) => {
    const y = 36 + row * ROW;
    const width = Math.max(1, (Math.max(0, value) / most) * room);
    return [
      `<text x="${NAME_WIDTH - 8}" y="${y + 14}" text-anchor="end">${safe(name)}</text>`,
      `<rect class="${kind(name)}" x="${NAME_WIDTH}" y="${y}" width="${at(width)}" height="18"/>`,
      `<text x="${at(NAME_WIDTH + width + 8)}" y="${y + 14}">${figure(value)}</text>`,
    ];
  });
  return svg(title, 44 + values.length * ROW, rows);
}

/** One line for each name through its points, both axes logarithmic. */
export function lines(title, unit, points) {
  const all = [...points.values()].flat();
  const range = (axis) => {
    const logs = all.map((point) => Math.log10(point[axis]));
    const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
    return [low, Math.max(high, low + 1)];
  };
  const [xLow, xHigh] = range(0);
  const [yLow, yHigh] = range(1);
  const x = (value) => 70 + ((Math.log10(value) - xLow) / (xHigh - xLow)) * 520;
  const y = (value) => 290 - ((Math.log10(value) - yLow) / (yHigh - yLow)) * 240;
  const parts = [];
  for (let power = yLow; power <= yHigh; power++) {
    const level = y(10 ** power);
    parts.push(`<line class="grid" x1="70" x2="590" y1="${at(level)}" y2="${at(level)}"/>`);
    parts.push(`<text x="62" y="${at(level + 4)}" text-anchor="end">${(10 ** power).toLocaleString("en-US")}</text>`);
  }
  for (let power = xLow; power <= xHigh; power++) {
    parts.push(
      `<text x="${at(x(10 ** power))}" y="310" text-anchor="middle">${(10 ** power).toLocaleString("en-US")}</text>`,
    );
  }
  for (const [name, line] of points) {
    const path = line.map(([step, value]) => `${at(x(step))},${at(y(value))}`).join(" ");
    const [, last] = line.at(-1);
    parts.push(`<polyline class="${kind(name)}" points="${path}"/>`);
    parts.push(`<text x="600" y="${at(y(last) + (kind(name) === "ours" ? 12 : -4))}">${safe(name)}</text>`);
  }
  parts.push(`<text x="330" y="332" text-anchor="middle">${safe(unit)}</text>`);
  return svg(title, 344, parts);
}
