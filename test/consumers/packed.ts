import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Makes a folder of its own in which the package is installed as published; what it depends on is at hand, `ws` included. */
export function consumer({ copies = false, within = tmpdir() } = {}): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(within, ".tautline-consumer-"));
  const own = join(folder, "node_modules/tautline");
  mkdirSync(own, { recursive: true });
  execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { cwd: ROOT });
  const tarball = readdirSync(folder).find((file) => file.endsWith(".tgz")) as string;
  execFileSync("tar", ["-xzf", join(folder, tarball), "-C", own, "--strip-components=1"]);
  for (const name of ["eventemitter3", "isomorphic-ws", "ws", "@msgpack", "fflate", "cborg", "react"]) {
    const [from, to] = [join(ROOT, "node_modules", name), join(folder, "node_modules", name)];
    // Metro reads no file outside the folders that it watches, and a link leads outside.
    if (copies) cpSync(realpathSync(from), to, { recursive: true });
    else symlinkSync(from, to);
  }
  mkdirSync(join(folder, "node_modules/@types"));
  symlinkSync(join(ROOT, "node_modules/@types/react"), join(folder, "node_modules/@types/react"));
  symlinkSync(join(import.meta.dirname, "node_modules/@types/node"), join(folder, "node_modules/@types/node"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
