import { expect, test } from "vitest";
import { page, squarify } from "../../scripts/treemap.mjs";

interface Placed {
  readonly size: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const sizes = [1, 500, 3, 80, 80, 2, 40, 200].map((size) => ({ name: `${size}`, size }));
const frame = { x: 10, y: 20, width: 600, height: 400 };
const placed: Placed[] = squarify(sizes, frame);

test("gives each item an area as its size, within the frame and beside the others", () => {
  const perSize = (frame.width * frame.height) / sizes.reduce((sum, { size }) => sum + size, 0);
  expect(placed).toHaveLength(sizes.length);
  for (const { size, x, y, width, height } of placed) {
    expect(width * height).toBeCloseTo(size * perSize);
    expect(Math.min(x - frame.x, y - frame.y)).toBeGreaterThanOrEqual(-1e-9);
    expect(x + width).toBeLessThanOrEqual(frame.x + frame.width + 1e-9);
    expect(y + height).toBeLessThanOrEqual(frame.y + frame.height + 1e-9);
  }
  const overlaps = placed.flatMap((a, i) =>
    placed.slice(i + 1).filter((b) => {
      const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
      const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
      return across > 1e-9 && down > 1e-9;
    }),
  );
  expect(overlaps).toEqual([]);
});

test("names each group and module on the page, as text", () => {
  const html = page("sizes", [{ name: "core", modules: [{ name: "<b>.ts", size: 7 }] }]);
  expect(html).toContain(">core 7<");
  expect(html).toContain(">&lt;b&gt;.ts 7<");
  expect(html).not.toContain("<b>");
});
