// npm run manifest: writes what entries.mjs decides into package.json. A test fails while they differ.
import { readFileSync, writeFileSync } from "node:fs";
import { exportsOf, typesVersionsOf } from "../entries.mjs";

const file = new URL("../package.json", import.meta.url);
const manifest = JSON.parse(readFileSync(file, "utf8"));
writeFileSync(
  file,
  `${JSON.stringify({ ...manifest, typesVersions: typesVersionsOf(), exports: exportsOf() }, null, 2)}\n`,
);
