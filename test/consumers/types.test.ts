import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { consumer } from "./packed.ts";

const { folder, remove } = consumer();
afterAll(remove);

const PAGE = `
import { Conn, ConnError, json, readable, text, writable } from "tautline";
import { resume } from "tautline/resume";
import { validated } from "tautline/codec/validated";
import { compressed } from "tautline/codec/compressed";
import { msgpack } from "tautline/codec/msgpack";
import { cbor } from "tautline/codec/cbor";
import { type FakeConnection, fakeServer } from "tautline/testing/fake";
import { type Peer, RpcError, rpc } from "tautline/rpc";
import { type ChannelMessage, type Channels, channels, type LoadContext, type Subscription } from "tautline/channels";
import { asWebSocket, ReconnectingWebSocket, type WebSocketClass, webSocket } from "tautline/websocket";
import { type MessageSource, type Store, status, store } from "tautline/store";
import { type Trace, trace } from "tautline/trace";
import { type ChannelState, useChannel, useConn, useMessage, useStatus, useStore } from "tautline/react";
const conn = new Conn("wss://example.com/", { codec: compressed(json<number[], string>()), resume: resume(), autoConnect: false });
conn.on("message", (numbers) => { const first: number | undefined = numbers[0]; void first; });
const sent: Promise<void> = conn.send("all");
const record: Trace = trace(conn, { last: 100, payloads: true });
const report: string = record.toString() + record.entries.map(({ text, at }) => text + at.toFixed()).join();
void report;
readable(conn).pipeTo(writable(new Conn("wss://example.com/", { codec: msgpack<string, number[]>() })));
const Host: WebSocketClass = webSocket({ drops: "hide", resume: resume(), heartbeat: { intervalMs: 5_000 } });
new Host("wss://example.com/", ["v2"]).send("text");
asWebSocket(new Conn("wss://example.com/")).close(4000);
const reopening = new ReconnectingWebSocket(() => "wss://example.com/", [], { queue: "first" });
reopening.onmessage = ({ data }) => typeof data === "string" && data.length + reopening.retryCount;
reopening.reconnect();
const fake = fakeServer<string, number[]>({ codec: json<string, number[]>() });
new Conn("wss://example.com/", { WebSocket: fake.WebSocket, codec: json<number[], string>(), autoConnect: false });
fake.next().then((connection: FakeConnection<string, number[]>) => {
  connection.send([connection.received.length]);
  const texts: readonly string[] = connection.received;
  connection.receive().then((text) => text.length + texts.length);
});
new fake.WebSocket("wss://example.com/").addEventListener("close", ({ code, reason, wasClean }) => {
  const all: readonly [number, string, boolean] = [code, reason, wasClean];
  void all;
});
interface ServerApi { quote(params: { symbol: string }): { price: number }; time(): number; }
interface ClientApi { confirm(params: { text: string }): boolean; price(params: Record<string, number>): void; }
const peer: Peer<ServerApi, ClientApi> = rpc<ServerApi, ClientApi>(new Conn("wss://example.com/", { codec: json() }), {
  handlers: { confirm: async ({ text }, { signal }) => { if (signal.aborted) throw new RpcError(1, text); return true; } },
});
export const quoted: Promise<{ price: number }> = peer.call("quote", { symbol: "ROPE" }, { timeoutMs: 3_000, retry: true });
export const at: Promise<number> = peer.call("time");
export const off: () => void = peer.on("price", (prices) => Object.values(prices).map((price) => price.toFixed()));
const live: Channels = channels(new Conn("wss://example.com/", { codec: json() }), { maxPublishes: 10 });
const room: Subscription<{ text: string }> = live.subscribe<{ text: string }>("chat:7", { from: { last: 50 }, presence: true });
room.on("gap", ({ after, position }) => (after ?? "").length + (position ?? "").length);
room.on("members", ({ joined, left, count }) => joined.map(([id]) => id.length).concat(left.length, count));
channels(rpc(new Conn("wss://example.com/", { codec: json() }))).subscribe("a", { load: async ({ head }: LoadContext) => head ?? undefined });
export const published: Promise<string | null> = room.publish({ text: "hello" }, { id: "order-17" });
const texts: Store<readonly string[]> = store(room, [] as readonly string[], (all, { data }: ChannelMessage<{ text: string }>) => [...all, data.text]);
export function useRoom(name: string | null) {
  const shown: ChannelState<{ text: string }> = useChannel<{ text: string }>(live, name, { presence: true, lingerMs: 500 });
  useMessage(shown.channel, ({ data }) => data.text.length);
  return shown.members.size + shown.memberCount + shown.gaps;
}
export async function readRoom() {
  for await (const { data, position } of room) data.text.length + (position ?? "").length;
  return texts.get().length + room.members.size + room.memberCount;
}
const total = store(conn, 0, (sum, numbers) => sum + numbers.length);
const adapter = { on: (_event: "message", listener: (price: number) => void) => { listener(1); return () => {}; } };
const prices: Store<readonly number[]> = store(adapter, [] as readonly number[], (all, price: number) => [...all, price]);
const source: MessageSource<number[]> = conn;
export function useAll(room: string | null) {
  const own = useConn(room, (name) => new Conn("wss://example.com/" + name, { codec: json<number[], string>() }));
  useMessage(own, (numbers) => numbers.map((number) => number.toFixed()));
  useMessage(source, (numbers) => numbers.length);
  own?.send("typed");
  const resumed: boolean | undefined = useStatus(own).resumed;
  const part: string = useStore(prices, (all) => all.join(), (a, b) => a === b);
  return [resumed, part, useStore(total).toFixed(), status(conn).get().retryAt?.toFixed()];
}
export { cbor, ConnError, sent, text, validated };
`;
const SERVICE = `
import { createServer } from "node:http";
import { json } from "tautline";
import { type Hub, type HubOptions, hub, memoryEngine } from "tautline/hub";
import { type RedisClientLike, redisEngine } from "tautline/engines/redis";
import { handle, handler } from "tautline/server";
import { faultProxy } from "tautline/testing";
const undo: () => void = handle(createServer(), "/", handler(async (conn, request) => {
  await conn.send(request.url ?? "");
  for await (const count of conn) count.toFixed();
}, { codec: json<number, string>() }));
export const port: Promise<number> = faultProxy(80).then((proxy) => proxy.port);
const options: HubOptions = {
  engine: memoryEngine({ maxLogs: 10 }),
  channels: { "chat:*": { history: { size: 5, ttlMs: 1_000 }, deliver: "newest", presence: true } },
  authorize: async ({ client, action }) => client !== undefined && action === "subscribe",
};
const topics: Hub = hub(options);
export const serving = handler((conn) => topics.serve(conn, { id: conn.principal, info: { name: "Ann" } }), { codec: json() });
export const position: Promise<string | null> = topics.publish("chat:1", { text: "hello" }, { id: "one" });
declare const redisClient: RedisClientLike;
export const shared: HubOptions = { ...options, engine: redisEngine({ client: redisClient, prefix: "chat" }) };
export { undo };
`;
const WRONG = `
import { Conn, json } from "tautline";
const conn = new Conn("wss://example.com/", { codec: json<number, string>(), autoConnect: false });
conn.send(1);
conn.on("message", (value) => value.length);
conn.on("massage", () => {});
new Conn("wss://example.com/", { codec: json(), autoConnects: false });
`;
const WRONG_LINES = [4, 5, 6, 7];

// Each twice: as a module, and as a program that requires.
const SOURCES: Record<string, string> = { page: PAGE, service: SERVICE, wrong: WRONG };
for (const [name, source] of Object.entries(SOURCES)) {
  writeFileSync(join(folder, `${name}.mts`), source);
  writeFileSync(join(folder, `${name}.cts`), source);
}

const COMPILERS = ["5.4", "5.6", "5.9", "6.0", "7.0"];
const RESOLUTIONS = [
  { moduleResolution: "node16", module: "node16" },
  { moduleResolution: "nodenext", module: "nodenext" },
  { moduleResolution: "bundler", module: "esnext" },
];
const DOM = { lib: ["es2022", "dom"], types: [] };
const NODE = { lib: ["es2022"], types: ["node"] };
const NEITHER = { lib: ["es2022"], types: [] };
const SURROUNDINGS = [
  { surroundings: "lib dom", settings: DOM, names: ["page"] },
  { surroundings: "@types/node alone", settings: NODE, names: ["page", "service"] },
];

/** Returns the errors that a compiler reports for a program. The declarations of the package are checked too; the compiler's own are not. */
async function complaints(version: string, names: readonly string[], settings: object): Promise<string> {
  const options = {
    noEmit: true,
    target: "es2022",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    skipDefaultLibCheck: true,
    ...settings,
  };
  // A bundler reads `require` as `import`, and refuses `.cts` beside `module: esnext` in older compilers.
  const extensions = "module" in settings && settings.module === "esnext" ? ["mts"] : ["mts", "cts"];
  const files = names.flatMap((name) => extensions.map((extension) => `${name}.${extension}`));
  const project = join(folder, `${crypto.randomUUID()}.json`);
  writeFileSync(project, JSON.stringify({ compilerOptions: options, files }));
  const tsc = join(import.meta.dirname, `node_modules/typescript-${version}/bin/tsc`);
  const child = spawn(process.execPath, [tsc, "--pretty", "false", "-p", project], { cwd: folder });
  let said = "";
  for await (const chunk of child.stdout) said += chunk;
  return said;
}

const cases = COMPILERS.flatMap((version) =>
  RESOLUTIONS.flatMap((resolution) =>
    SURROUNDINGS.map((around) => ({ version, resolution, ...around, how: resolution.moduleResolution })),
  ),
);

test.concurrent.each(cases)(
  "TypeScript $version takes every entry point with $how and $surroundings",
  async ({ version, resolution, settings, names }) => {
    expect(await complaints(version, names, { ...resolution, ...settings })).toBe("");
  },
);

test.concurrent.each(COMPILERS)("TypeScript %s refuses each wrong line of a program", async (version) => {
  const said = await complaints(version, ["wrong"], { module: "nodenext", moduleResolution: "nodenext", ...DOM });
  const lines = (file: string) => [...said.matchAll(new RegExp(`^${file}\\((\\d+),`, "gm"))].map(([, n]) => Number(n));
  expect(lines("wrong.mts")).toEqual(WRONG_LINES);
  expect(lines("wrong.cts")).toEqual(WRONG_LINES);
});

test("without lib dom and @types/node, only names that every platform has are missing", async () => {
  const said = await complaints("7.0", ["page"], { module: "nodenext", moduleResolution: "nodenext", ...NEITHER });
  const missing = [...said.matchAll(/Cannot find name '(\w+)'/g)].map(([, name]) => name as string);
  expect(said.trim().split("\n")).toHaveLength(missing.length);
  expect([...new Set(missing)].sort()).toEqual(["AbortSignal", "Blob", "ReadableStream", "URL", "WritableStream"]);
});

test("the programs name every entry point", () => {
  const { exports } = JSON.parse(readFileSync(join(folder, "node_modules/tautline/package.json"), "utf8"));
  const entries = Object.keys(exports).filter((entry) => entry !== "./package.json");
  const named = [...(PAGE + SERVICE).matchAll(/from "(tautline[^"]*)"/g)].map(([, name]) => name);
  expect([...new Set(named)].sort()).toEqual(entries.map((entry) => entry.replace(".", "tautline")).sort());
});
