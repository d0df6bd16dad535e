const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text) => text.replace(/[&<>"]/g, (mark) => escapes[mark]);
const total = (items) => items.reduce((sum, { size }) => sum + size, 0);

/** How far from a square the worst of `row` is, laid along a side of that length. */
function worst(row, side, perSize) {
  const thickness = (total(row) * perSize) / side;
  return Math.max(
    ...row.map(({ size }) => {
      const length = (size * perSize) / thickness;
      return Math.max(length / thickness, thickness / length);
    }),
  );
}

/**
 * Places items, heaviest first, in a rectangle, each with an area as its size and as square as it gets (Bruls, Huizing
 * and van Wijk, Squarified Treemaps, 2000).
 */
export function squarify(items, { x, y, width, height }) {
  const placed = [];
  const left = [...items].sort((a, b) => b.size - a.size);
  const perSize = (width * height) / total(left);
  while (left.length > 0) {
    const side = Math.min(width, height);
    const row = [left.shift()];
    while (left.length > 0 && worst([...row, left[0]], side, perSize) <= worst(row, side, perSize))
      row.push(left.shift());
    const thickness = (total(row) * perSize) / side;
    const isColumn = width >= height;
    let at = 0;
    for (const item of row) {
      const length = (item.size * perSize) / thickness;
      placed.push(
        isColumn
          ? { ...item, x, y: y + at, width: thickness, height: length }
          : { ...item, x: x + at, y, width: length, height: thickness },
      );
      at += length;
    }
    if (isColumn) [x, width] = [x + thickness, width - thickness];
    else [y, height] = [y + thickness, height - thickness];
  }
  return placed;
}

const WIDTH = 1200;
const HEIGHT = 720;
const HEADING = 20;

const box = (name, { x, y, width, height }, label) =>
  `<div class="${name}" title="${escaped(label)}" style="left:${x.toFixed(1)}px;top:${y.toFixed(1)}px;` +
  `width:${width.toFixed(1)}px;height:${height.toFixed(1)}px">${escaped(label)}</div>`;

/** A page that shows groups of modules, each with an area as its size. */
export function page(title, groups) {
  const sized = groups.map((group) => ({ ...group, size: total(group.modules) }));
  const boxes = squarify(sized, { x: 0, y: 0, width: WIDTH, height: HEIGHT }).flatMap((group) => {
    const heading = Math.min(HEADING, group.height / 3);
    const inner = { ...group, y: group.y + heading, height: group.height - heading };
    const modules = squarify(group.modules, inner).map((module) =>
      box("module", module, `${module.name} ${module.size}`),
    );
    return [box("group", group, `${group.name} ${group.size}`), ...modules];
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>
  body { font: 12px/1.3 system-ui, sans-serif; margin: 16px; }
  main { position: relative; width: ${WIDTH}px; height: ${HEIGHT}px; }
  div { position: absolute; box-sizing: border-box; overflow: hidden; padding: 1px 4px; border: 1px solid #fff; }
  .group { background: #1d3557; color: #fff; font-weight: bold; }
  .module { background: #a8dadc; color: #111; }
</style>
<h1>${escaped(title)}</h1>
<main>
${boxes.join("\n")}
</main>
</html>
`;
}
