import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { expect, test } from "vitest";
import { violations } from "./layering.ts";

const SRC = join(import.meta.dirname, "../../src");

test("imports in src point down only", () => {
  const paths = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  const files = paths.map((path) => [path.split(sep).join("/"), readFileSync(join(SRC, path), "utf8")]);
  expect(files.length).toBeGreaterThan(0);
  expect(violations(Object.fromEntries(files))).toEqual([]);
});

test("a tree that keeps every rule has no violations", () => {
  const tree = {
    "payload.ts": "export type Payload = string;",
    "emitter.ts": 'import { EventEmitter } from "eventemitter3";',
    "socket.ts": 'import WebSocket from "isomorphic-ws"; import type { Payload } from "./payload.ts";',
    "socket-node.ts": 'import type { Socket } from "node:net"; import { openSocket } from "./socket.ts";',
    "conn.ts": 'import { openSocket } from "./socket-node.ts"; export type { Payload } from "./payload.ts";',
    "index.ts": 'export { Conn } from "./conn.ts"; export { readable } from "./streams.ts";',
    "server/index.ts": 'import { WebSocketServer } from "ws"; import { Conn } from "../conn.ts"; import "./origin.ts";',
    "server/origin.ts": 'import { isIP } from "node:net";',
    "codec/compressed.ts": 'import { Gunzip } from "fflate"; import { Codec } from "../codec.ts";',
    "codec/msgpack.ts": 'import { decode } from "@msgpack/msgpack"; import { checked } from "./checked.ts";',
    "codec/checked.ts": "export const checked = 1;",
    "codec/cbor.ts": 'import { decode } from "cborg"; import type { Payload } from "../payload.ts";',
    "resume/index.ts": 'import type { Session } from "../session.ts"; import { frame } from "./frame.ts";',
    "resume/frame.ts": "export const frame = 1;",
  };
  expect(violations(tree)).toEqual([]);
});

test.each<[rule: string, tree: Record<string, string>, violation: string]>([
  [
    "an import of a higher rank",
    { "errors.ts": 'import { Conn } from "./conn.ts";' },
    "errors.ts (rank 1) imports conn.ts (rank 8)",
  ],
  [
    "an import of the same rank",
    { "outbox.ts": 'import { Inbox } from "./inbox.ts";' },
    "outbox.ts (rank 2) imports inbox.ts (rank 2)",
  ],
  [
    "a type import of a higher rank",
    { "payload.ts": 'import type { Conn } from "./conn.ts";' },
    "payload.ts (rank 0) imports conn.ts (rank 8)",
  ],
  [
    "a re-export of a higher rank",
    { "payload.ts": 'export * from "./conn.ts";' },
    "payload.ts (rank 0) imports conn.ts (rank 8)",
  ],
  [
    "an inline type import of a higher rank",
    { "payload.ts": 'type C = import("./conn.ts").Conn;' },
    "payload.ts (rank 0) imports conn.ts (rank 8)",
  ],
  [
    "a dynamic import of a higher rank",
    { "payload.ts": 'const load = () => import("./conn.ts");' },
    "payload.ts (rank 0) imports conn.ts (rank 8)",
  ],
  ["a file without a rank", { "utils.ts": "" }, "utils.ts is not in the table of ranks"],
  ["a folder that is no layer", { "helpers/a.ts": "" }, "helpers/a.ts is in a folder that is no known layer"],
  [
    "core that imports a layer",
    { "index.ts": 'export type { ServerConn } from "./server/index.ts";' },
    "index.ts is core and imports the layer file server/index.ts",
  ],
  [
    "resume that takes a value from the core",
    { "resume/index.ts": 'import { Conn } from "../conn.ts";' },
    "resume/index.ts may import only types and tools from the core, not conn.ts",
  ],
  [
    "resume that takes a value beside a type",
    { "resume/index.ts": 'import { type Conn, dial } from "../conn.ts";' },
    "resume/index.ts may import only types and tools from the core, not conn.ts",
  ],
  [
    "an import from outside src",
    { "conn.ts": 'import manifest from "../package.json";' },
    "conn.ts imports ../package.json from outside src",
  ],
  [
    "eventemitter3 outside emitter.ts",
    { "conn.ts": 'import { EventEmitter } from "eventemitter3";' },
    "conn.ts may not name eventemitter3",
  ],
  [
    "isomorphic-ws outside socket.ts",
    { "socket-node.ts": 'import WebSocket from "isomorphic-ws";' },
    "socket-node.ts may not name isomorphic-ws",
  ],
  [
    "an optional peer in the core",
    { "codec.ts": 'import { decode } from "@msgpack/msgpack";' },
    "codec.ts may not name @msgpack/msgpack",
  ],
  [
    "an optional peer in a second file of its layer",
    { "codec/msgpack.ts": 'import type { Gunzip } from "fflate";' },
    "codec/msgpack.ts may not name fflate",
  ],
  ["cborg outside codec/cbor.ts", { "server/a.ts": 'import "cborg";' }, "server/a.ts may not name cborg"],
  ["ws in the core", { "socket-node.ts": 'import type { WebSocket } from "ws";' }, "socket-node.ts may not name ws"],
  ["a Node module in the core", { "conn.ts": 'import { isIP } from "node:net";' }, "conn.ts may not name node:net"],
  [
    "a package nobody listed",
    { "codec.ts": 'import pad from "left-pad";' },
    "codec.ts names left-pad, which is not in the table of packages",
  ],
  [
    "a cycle inside a layer",
    {
      "server/a.ts": 'import "./b.ts";',
      "server/b.ts": 'import type { C } from "./c.ts";',
      "server/c.ts": 'import "./a.ts";',
    },
    "cycle: server/a.ts > server/b.ts > server/c.ts > server/a.ts",
  ],
])("reports %s", (_rule, tree, violation) => {
  expect(violations(tree)).toEqual([violation]);
});
