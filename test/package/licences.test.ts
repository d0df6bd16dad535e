import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

/** The packages whose code is in a build, by its source map. */
function inlinedIn(map: string): string[] {
  const { sources } = JSON.parse(read(`dist/${map}`)) as { sources: string[] };
  return sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []);
}

const maps = readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".map"),
);

test("every package copied into a build has its licence in the notice, or beside the build", () => {
  const inlined = maps.flatMap((map) => inlinedIn(map).map((name) => ({ name, map })));
  expect(new Set(inlined.map(({ name }) => name))).toEqual(new Set(["cborg", "eventemitter3"]));
  const notice = read("THIRD-PARTY.txt");
  for (const { name, map } of inlined) {
    const licence = read(`node_modules/${name}/LICENSE`);
    const beside = `dist/${map.replace(/\.map$/, "")}.LICENSE-${name}`;
    expect(notice.includes(licence) || read(beside) === licence, `${name} in ${map}`).toBe(true);
  }
});

test("the notice has the licence of every dependency, and of nothing else", () => {
  const notice = read("THIRD-PARTY.txt");
  const named = [...notice.matchAll(/^-+ (\S+) -+$/gm)].map(([, name]) => name);
  expect(named).toEqual(Object.keys(manifest.dependencies).sort());
  for (const name of named) expect(notice).toContain(read(`node_modules/${name}/LICENSE`));
});

test("the printed integrity hashes are those of the scripts", () => {
  const hashes = JSON.parse(read("dist/sri.json")) as Record<string, string>;
  const scripts = readdirSync(join(ROOT, "dist")).filter((file) => /\.min\.m?js$/.test(file));
  expect(Object.keys(hashes).sort()).toEqual(scripts.sort());
  for (const [file, hash] of Object.entries(hashes)) {
    const digest = createHash("sha384").update(readFileSync(join(ROOT, "dist", file)));
    expect(hash).toBe(`sha384-${digest.digest("base64")}`);
  }
});
