import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const REACT_18 = join(import.meta.dirname, "react-18/node_modules");

/** Where React's packages are, by the version to build with: those of 19 are found without it. */
export const REACTS: Readonly<Record<"18" | "19", readonly { readonly find: RegExp; readonly replacement: string }[]>> =
  {
    "18": [{ find: /^(react|react-dom)(\/.*)?$/, replacement: `${REACT_18}/$1$2` }],
    "19": [],
  };

/** A folder with the apps, in which the package is installed as published and the frameworks are at hand. */
export function workplace(): { readonly folder: string; remove(): void } {
  // Below this folder, because frameworks look for each other in the folders above, and some follow no links.
  const folder = mkdtempSync(join(import.meta.dirname, ".work-"));
  const own = join(folder, "node_modules/tautline");
  mkdirSync(own, { recursive: true });
  execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { cwd: ROOT });
  const tarball = readdirSync(folder).find((file) => file.endsWith(".tgz")) as string;
  execFileSync("tar", ["-xzf", join(folder, tarball), "-C", own, "--strip-components=1"]);
  for (const name of ["eventemitter3", "isomorphic-ws", "ws"]) {
    cpSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name), {
      recursive: true,
      dereference: true,
    });
  }
  cpSync(join(import.meta.dirname, "apps"), folder, { recursive: true });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }) };
}
