import { posix } from "node:path";
import ts from "typescript";

/** The part of another folder that a file may import: anything, or its types alone. */
type Access = "values" | "types";

/**
 * The direction of imports, one line for each folder of src: what it may import from the other folders. Imports within
 * a folder are free, cycles aside. A longer path is a folder of its own, with rules of its own.
 */
const FOLDERS: Readonly<Record<string, Readonly<Record<string, Access>>>> = {
  base: {},
  codec: { base: "values" },
  whatwg: { base: "values" },
  socket: { base: "values" },
  core: { base: "values", codec: "values", socket: "values" },
  resume: { base: "values", core: "types", "resume/protocol": "values" },
  "resume/protocol": { base: "values", core: "types" },
  "resume/client": { base: "values", core: "types", resume: "values", "resume/protocol": "values" },
  "resume/server": {
    base: "values",
    socket: "values",
    core: "types",
    resume: "values",
    "resume/protocol": "values",
    server: "types",
  },
  rpc: { base: "values", codec: "types", core: "types" },
  channels: { base: "values", core: "types", rpc: "values", "channels/protocol": "values" },
  "channels/protocol": { base: "values" },
  store: { base: "values", core: "types" },
  trace: { base: "values", core: "types" },
  websocket: { base: "values", codec: "values", socket: "types", core: "values", whatwg: "values" },
  server: {
    base: "values",
    codec: "values",
    socket: "values",
    core: "values",
    "resume/protocol": "values",
    "resume/server": "values",
  },
  hub: {
    base: "values",
    codec: "values",
    socket: "values",
    core: "types",
    rpc: "values",
    "channels/protocol": "values",
    server: "values",
  },
  engines: { base: "values", server: "types" },
  react: { base: "values", core: "types", store: "values", channels: "types" },
  testing: { base: "values" },
  "testing/fake": {
    base: "values",
    codec: "values",
    core: "types",
    resume: "values",
    "resume/protocol": "values",
    "resume/server": "values",
    whatwg: "values",
  },
};
/** A sub-folder may use its parent only where the line above says so. The main entry, src/index.ts, exports from these. */
const INDEX: readonly string[] = ["base", "codec", "socket", "core"];

/** Where each foreign package may be named. */
const PACKAGES: Readonly<Record<string, (file: string) => boolean>> = {
  eventemitter3: (file) => file === "base/emitter.ts",
  "isomorphic-ws": (file) => file === "socket/node-socket.ts",
  ws: (file) =>
    file.startsWith("server/") ||
    file === "resume/server/pending-socket.ts" ||
    file === "resume/server/session-registry.ts",
  // Optional peers: one entry point each, so that only who imports it needs it.
  fflate: (file) => file === "codec/compressed.ts",
  "@msgpack/msgpack": (file) => file === "codec/msgpack.ts",
  cborg: (file) => file === "codec/cbor.ts",
  react: (file) => file.startsWith("react/"),
  // The package's own import, by which a bundler chooses the socket of the platform.
  "#socket": (file) => file.startsWith("core/"),
  "node:": (file) =>
    (/^(server|resume\/server|engines|testing)\//.test(file) && !file.startsWith("testing/fake/")) ||
    file === "socket/node-socket.ts" ||
    file === "socket/decode.ts" ||
    file === "socket/frame.ts" ||
    file === "socket/native-mask.ts" ||
    file === "socket/ws-options.ts",
};

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string, source: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (specifier && ts.isStringLiteralLike(specifier)) found.push({ specifier: specifier.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const { importClause: clause } = node;
      const named = clause?.namedBindings;
      // Inline `type` on each name says as much as one for them all.
      const allTypes =
        named && ts.isNamedImports(named) && !clause?.name && named.elements.every(({ isTypeOnly }) => isTypeOnly);
      add(node.moduleSpecifier, clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes === true);
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest));
  return found;
}

/** The folder of rules that `file` belongs to: the longest known path. */
function folderOf(file: string): string | undefined {
  for (let path = posix.dirname(file); path !== "."; path = posix.dirname(path)) if (path in FOLDERS) return path;
  return undefined;
}

function checkFolder(file: string): string | undefined {
  if (file === "index.ts" || folderOf(file) !== undefined) return undefined;
  return `${file} is in no folder that has a rule`;
}

function checkPackage(file: string, specifier: string): string | undefined {
  const name = specifier.startsWith("node:") ? "node:" : specifier;
  const allowed = Object.hasOwn(PACKAGES, name) ? PACKAGES[name] : undefined;
  if (allowed === undefined) return `${file} names ${specifier}, which is not in the table of packages`;
  return allowed(file) ? undefined : `${file} may not name ${specifier}`;
}

function checkDirection(file: string, target: string, typeOnly: boolean): string | undefined {
  if (target.startsWith("../")) return `${file} imports ${target} from outside src`;
  const other = folderOf(target);
  if (file === "index.ts") {
    return other !== undefined && INDEX.includes(other) ? undefined : `index.ts may not export from ${target}`;
  }
  const own = folderOf(file) as string;
  if (own === other) return undefined;
  const access = other === undefined ? undefined : FOLDERS[own]?.[other];
  if (access === undefined)
    return `${file} may not import ${target}: ${own} stands below ${other ?? "the entry"} or beside it`;
  return access === "types" && !typeOnly ? `${file} may import only types from ${other}, not ${target}` : undefined;
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(file);
    if (seenAt >= 0) found.push(`cycle: ${[...trail.slice(seenAt), file].join(" > ")}`);
    if (seenAt >= 0 || done.has(file)) return;
    for (const target of graph.get(file) ?? []) walk(target, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return found;
}

/** Lists the violations in a tree given as source text by path below `src/`; empty when nothing does. */
export function violations(files: Readonly<Record<string, string>>): string[] {
  const found: (string | undefined)[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, source] of Object.entries(files)) {
    const targets: string[] = [];
    found.push(checkFolder(file));
    for (const { specifier, typeOnly } of importsOf(file, source)) {
      if (!specifier.startsWith(".")) {
        found.push(checkPackage(file, specifier));
        continue;
      }
      const target = posix.join(posix.dirname(file), specifier);
      targets.push(target);
      if (folderOf(file) !== undefined || file === "index.ts") found.push(checkDirection(file, target, typeOnly));
    }
    graph.set(file, targets);
  }
  return [...found.filter((violation) => violation !== undefined), ...cycles(graph)];
}

/** The folders that have a rule, for the test that each of them is tried. */
export const folders: readonly string[] = Object.keys(FOLDERS);
