import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** A folder of its own in which the package is installed as published; what it depends on is at hand, `ws` included. */
export function consumer(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "tautline-consumer-"));
  const own = join(folder, "node_modules/tautline");
  mkdirSync(own, { recursive: true });
  execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { cwd: ROOT });
  const tarball = readdirSync(folder).find((file) => file.endsWith(".tgz")) as string;
  execFileSync("tar", ["-xzf", join(folder, tarball), "-C", own, "--strip-components=1"]);
  for (const name of ["eventemitter3", "isomorphic-ws", "ws", "@msgpack", "fflate", "cborg", "react"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  }
  mkdirSync(join(folder, "node_modules/@types"));
  symlinkSync(join(ROOT, "node_modules/@types/react"), join(folder, "node_modules/@types/react"));
  symlinkSync(join(import.meta.dirname, "node_modules/@types/node"), join(folder, "node_modules/@types/node"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
