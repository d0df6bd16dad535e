import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

// Prints the values of `integrity` attributes (Subresource Integrity, W3C), so that a page runs only the pinned file.
const dist = new URL("../dist/", import.meta.url);
const scripts = readdirSync(dist).filter((file) => /\.min\.m?js$/.test(file));
const hashes = Object.fromEntries(
  scripts.map((file) => [
    file,
    `sha384-${createHash("sha384")
      .update(readFileSync(new URL(file, dist)))
      .digest("base64")}`,
  ]),
);
writeFileSync(new URL("sri.json", dist), `${JSON.stringify(hashes, null, 2)}\n`);
for (const [file, hash] of Object.entries(hashes)) console.log(`${file.padEnd(24)} ${hash}`);
