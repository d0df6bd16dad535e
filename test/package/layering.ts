import { posix } from "node:path";
import ts from "typescript";

/** A file may import files of a strictly lower rank. */
const RANKS: Record<string, number> = {
  "payload.ts": 0,
  "emitter.ts": 0,
  "timer.ts": 0,
  "queue.ts": 0,
  "promise.ts": 0,
  "errors.ts": 1,
  "news.ts": 1,
  "turn.ts": 1,
  "verdict.ts": 2,
  "backoff.ts": 2,
  "codec.ts": 2,
  "outbox.ts": 2,
  "inbox.ts": 2,
  "heartbeat.ts": 2,
  "lifecycle.ts": 2,
  "trials.ts": 3,
  "session.ts": 3,
  "socket.ts": 3,
  "state.ts": 3,
  "socket-node.ts": 4,
  "options.ts": 4,
  "events.ts": 4,
  "attempt.ts": 5,
  "plan.ts": 5,
  "body.ts": 6,
  "life.ts": 7,
  "conn.ts": 8,
  "streams.ts": 9,
  "index.ts": 10,
};

/** Folders built on the core, and whether they may use its values or only its types and tools. */
const LAYERS: Record<string, "values" | "types"> = {
  server: "values",
  codec: "values",
  resume: "types",
  testing: "types",
};

/** Where each foreign package may be named. */
const PACKAGES: Record<string, (file: string) => boolean> = {
  eventemitter3: (file) => file === "emitter.ts",
  "isomorphic-ws": (file) => file === "socket.ts",
  ws: (file) => file.startsWith("server/"),
  // Optional peers: one entry point each, so that only who imports it needs it.
  fflate: (file) => file === "codec/compressed.ts",
  "@msgpack/msgpack": (file) => file === "codec/msgpack.ts",
  cborg: (file) => file === "codec/cbor.ts",
  "node:": (file) => file.startsWith("server/") || file.startsWith("testing/") || file === "socket-node.ts",
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
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
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

const layerOf = (file: string): string | undefined => (file.includes("/") ? file.split("/")[0] : undefined);

function misplaced(file: string): string | undefined {
  const layer = layerOf(file);
  if (layer === undefined) return file in RANKS ? undefined : `${file} is not in the table of ranks`;
  return layer in LAYERS ? undefined : `${file} is in a folder that is no known layer`;
}

function foreign(file: string, specifier: string): string | undefined {
  const name = specifier.startsWith("node:") ? "node:" : specifier;
  const allowed = Object.hasOwn(PACKAGES, name) ? PACKAGES[name] : undefined;
  if (allowed === undefined) return `${file} names ${specifier}, which is not in the table of packages`;
  return allowed(file) ? undefined : `${file} may not name ${specifier}`;
}

function inward(file: string, target: string, typeOnly: boolean): string | undefined {
  const layer = layerOf(file);
  const targetLayer = layerOf(target);
  if (target.startsWith("../")) return `${file} imports ${target} from outside src`;
  if (layer === undefined) {
    if (targetLayer !== undefined) return `${file} is core and imports the layer file ${target}`;
    const [own, other] = [RANKS[file], RANKS[target]];
    if (own === undefined || other === undefined || own > other) return undefined;
    return `${file} (rank ${own}) imports ${target} (rank ${other})`;
  }
  // The tools of rank 0 know nothing of the core: a copy of one does no harm.
  if (targetLayer !== undefined || typeOnly || LAYERS[layer] !== "types" || RANKS[target] === 0) return undefined;
  return `${file} may import only types and tools from the core, not ${target}`;
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

/** What breaks the rules in a tree given as source text by path below `src/`; empty when nothing does. */
export function violations(files: Readonly<Record<string, string>>): string[] {
  const found: (string | undefined)[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, source] of Object.entries(files)) {
    const targets: string[] = [];
    found.push(misplaced(file));
    for (const { specifier, typeOnly } of importsOf(file, source)) {
      if (!specifier.startsWith(".")) {
        found.push(foreign(file, specifier));
        continue;
      }
      const target = posix.join(posix.dirname(file), specifier);
      targets.push(target);
      found.push(inward(file, target, typeOnly));
    }
    graph.set(file, targets);
  }
  return [...found.filter((violation) => violation !== undefined), ...cycles(graph)];
}
