import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { expect, test } from "vitest";
import { folders, violations } from "./layering.ts";

const SRC = join(import.meta.dirname, "../../src");

test("imports in src point down only", () => {
  const paths = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  const files = paths.map((path) => [path.split(sep).join("/"), readFileSync(join(SRC, path), "utf8")]);
  expect(files.length).toBeGreaterThan(0);
  expect(violations(Object.fromEntries(files))).toEqual([]);
});

test("a tree that keeps every rule has no violations", () => {
  const tree = {
    "base/payload.ts": "export type Payload = string;",
    "base/emitter.ts": 'import { EventEmitter } from "eventemitter3"; import { Queue } from "./queue.ts";',
    "socket/whatwg-socket.ts": 'import type { Payload } from "../base/payload.ts";',
    "socket/node-socket.ts":
      'import WebSocket from "isomorphic-ws"; import type { Socket } from "node:net"; import { open } from "./whatwg-socket.ts";',
    "core/conn.ts": 'import { openSocket } from "#socket"; export type { Payload } from "../base/payload.ts";',
    "index.ts": 'export { Conn } from "./core/conn.ts"; export { json } from "./codec/codec.ts";',
    "server/index.ts":
      'import { WebSocketServer } from "ws"; import { Conn } from "../core/conn.ts"; import "./origin.ts";',
    "server/origin.ts": 'import { isIP } from "node:net";',
    "codec/compressed.ts": 'import { Gunzip } from "fflate"; import { Codec } from "./codec.ts";',
    "codec/cbor.ts": 'import { decode } from "cborg"; import type { Payload } from "../base/payload.ts";',
    "resume/client/index.ts":
      'import type { Session } from "../../core/session.ts"; import { a } from "../protocol/a.ts";',
    "resume/protocol/a.ts": "export const a = 1;",
  };
  expect(violations(tree)).toEqual([]);
});

/** A violation for each folder, with the sentence that reports it. A folder without a line fails the test after this one. */
const FORBIDDEN: readonly (readonly [file: string, source: string, violation: string])[] = [
  [
    "base/timer.ts",
    'import "../core/conn.ts";',
    "base/timer.ts may not import core/conn.ts: base stands below core or beside it",
  ],
  [
    "codec/codec.ts",
    'import "../socket/socket.ts";',
    "codec/codec.ts may not import socket/socket.ts: codec stands below socket or beside it",
  ],
  [
    "socket/socket.ts",
    'import type { C } from "../codec/codec.ts";',
    "socket/socket.ts may not import codec/codec.ts: socket stands below codec or beside it",
  ],
  [
    "whatwg/web-socket.ts",
    'import { Conn } from "../core/conn.ts";',
    "whatwg/web-socket.ts may not import core/conn.ts: whatwg stands below core or beside it",
  ],
  [
    "core/conn.ts",
    'import type { S } from "../server/handler.ts";',
    "core/conn.ts may not import server/handler.ts: core stands below server or beside it",
  ],
  [
    "resume/endpoint.ts",
    'import { Conn } from "../core/conn.ts";',
    "resume/endpoint.ts may import only types from core, not core/conn.ts",
  ],
  [
    "resume/protocol/control.ts",
    'import "../endpoint.ts";',
    "resume/protocol/control.ts may not import resume/endpoint.ts: resume/protocol stands below resume or beside it",
  ],
  [
    "resume/client/index.ts",
    'import { Conn, type Url } from "../../core/conn.ts";',
    "resume/client/index.ts may import only types from core, not core/conn.ts",
  ],
  [
    "resume/server/ttl-map.ts",
    'import "../client/index.ts";',
    "resume/server/ttl-map.ts may not import resume/client/index.ts: resume/server stands below resume/client or beside it",
  ],
  [
    "rpc/index.ts",
    'import { Conn } from "../core/conn.ts";',
    "rpc/index.ts may import only types from core, not core/conn.ts",
  ],
  [
    "channels/index.ts",
    'import "../store/index.ts";',
    "channels/index.ts may not import store/index.ts: channels stands below store or beside it",
  ],
  [
    "channels/protocol/frames.ts",
    'import "../../rpc/index.ts";',
    "channels/protocol/frames.ts may not import rpc/index.ts: channels/protocol stands below rpc or beside it",
  ],
  [
    "store/index.ts",
    'import "../rpc/index.ts";',
    "store/index.ts may not import rpc/index.ts: store stands below rpc or beside it",
  ],
  [
    "trace/index.ts",
    'import { Conn } from "../core/conn.ts";',
    "trace/index.ts may import only types from core, not core/conn.ts",
  ],
  [
    "websocket/index.ts",
    'import "../store/index.ts";',
    "websocket/index.ts may not import store/index.ts: websocket stands below store or beside it",
  ],
  [
    "server/handler.ts",
    'import "../rpc/index.ts";',
    "server/handler.ts may not import rpc/index.ts: server stands below rpc or beside it",
  ],
  [
    "hub/index.ts",
    'import "../channels/index.ts";',
    "hub/index.ts may not import channels/index.ts: hub stands below channels or beside it",
  ],
  [
    "engines/redis.ts",
    'import { handle } from "../server/handle.ts";',
    "engines/redis.ts may import only types from server, not server/handle.ts",
  ],
  [
    "react/index.ts",
    'import { channels } from "../channels/index.ts";',
    "react/index.ts may import only types from channels, not channels/index.ts",
  ],
  [
    "testing/fault-proxy.ts",
    'import { Conn } from "../core/conn.ts";',
    "testing/fault-proxy.ts may not import core/conn.ts: testing stands below core or beside it",
  ],
  [
    "testing/fake/index.ts",
    'import "../../server/handler.ts";',
    "testing/fake/index.ts may not import server/handler.ts: testing/fake stands below server or beside it",
  ],
];

test.each(FORBIDDEN)("%s may not say %s", (file, source, violation) => {
  expect(violations({ [file]: source })).toEqual([violation]);
});

test("each folder that has a rule is tried with an import that breaks the rule", () => {
  const folderOf = (file: string) => folders.filter((folder) => file.startsWith(`${folder}/`)).at(-1);
  expect([...new Set(FORBIDDEN.map(([file]) => folderOf(file)))].sort()).toEqual([...folders].sort());
});

test.each<[rule: string, tree: Record<string, string>, violation: string]>([
  ["a file that is in no folder", { "utils.ts": "" }, "utils.ts is in no folder that has a rule"],
  ["a folder without a rule", { "helpers/a.ts": "" }, "helpers/a.ts is in no folder that has a rule"],
  [
    "a main entry that exports from a layer",
    { "index.ts": 'export type { ServerConn } from "./server/index.ts";' },
    "index.ts may not export from server/index.ts",
  ],
  [
    "a re-export from above",
    { "base/payload.ts": 'export * from "../core/conn.ts";' },
    "base/payload.ts may not import core/conn.ts: base stands below core or beside it",
  ],
  [
    "an inline type import from above",
    { "base/payload.ts": 'type C = import("../core/conn.ts").Conn;' },
    "base/payload.ts may not import core/conn.ts: base stands below core or beside it",
  ],
  [
    "a dynamic import from above",
    { "base/payload.ts": 'const load = () => import("../core/conn.ts");' },
    "base/payload.ts may not import core/conn.ts: base stands below core or beside it",
  ],
  [
    "an import from outside src",
    { "core/conn.ts": 'import manifest from "../../package.json";' },
    "core/conn.ts imports ../package.json from outside src",
  ],
  [
    "eventemitter3 in a second file",
    { "core/conn.ts": 'import "eventemitter3";' },
    "core/conn.ts may not name eventemitter3",
  ],
  [
    "isomorphic-ws in a second file",
    { "socket/whatwg-socket.ts": 'import "isomorphic-ws";' },
    "socket/whatwg-socket.ts may not name isomorphic-ws",
  ],
  [
    "an optional peer in the core",
    { "codec/codec.ts": 'import "@msgpack/msgpack";' },
    "codec/codec.ts may not name @msgpack/msgpack",
  ],
  [
    "an optional peer in a second file",
    { "codec/msgpack.ts": 'import type { G } from "fflate";' },
    "codec/msgpack.ts may not name fflate",
  ],
  ["cborg outside codec/cbor.ts", { "server/a.ts": 'import "cborg";' }, "server/a.ts may not name cborg"],
  [
    "ws below the server",
    { "socket/node-socket.ts": 'import type { W } from "ws";' },
    "socket/node-socket.ts may not name ws",
  ],
  ["a module of Node in the core", { "core/conn.ts": 'import "node:net";' }, "core/conn.ts may not name node:net"],
  [
    "a package without a line",
    { "codec/codec.ts": 'import "left-pad";' },
    "codec/codec.ts names left-pad, which is not in the table of packages",
  ],
  [
    "a cycle inside a folder, types included",
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
