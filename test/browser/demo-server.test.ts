import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { expect, test } from "vitest";
import { unmarshalPicture } from "../../demo/shared/frames.js";
import type { Prices } from "../../demo/uses/ticker.mjs";
import { channels } from "../../src/channels/index.ts";
import { cbor } from "../../src/codec/cbor.ts";
import { Conn, json } from "../../src/index.ts";
import { rpc } from "../../src/rpc/index.ts";
import { freePort } from "../support/free-port.ts";
import { Program, startDemo } from "./program.ts";

/** Asks for `path` as it stands, which fetch() would clean up. */
async function get(port: number, path: string): Promise<IncomingMessage> {
  const [response] = await once(request({ host: "127.0.0.1", port, path }).end(), "response");
  return response.resume();
}

test("serves its own files, and nothing else", async () => {
  const { port } = await startDemo();
  const statusOf = async (path: string) => [path, (await get(port, path)).statusCode];
  const packaged = ["/package/index.mjs", "/package/resume.mjs", "/package/codec/cbor.mjs", "/cborg/cborg.js"];
  const scripts = ["/page.js", "/shared/ledger.js", "/shared/newest.js", ...packaged];
  const own = ["/", "/style.css", ...scripts, "/?query"];
  expect(await Promise.all(own.map(statusOf))).toEqual(own.map((path) => [path, 200]));
  const foreign = [
    "/server.mjs",
    "/page/",
    "/cborg/package.json",
    "/../package.json",
    "/%2e%2e/package.json",
    "//etc/passwd",
    "/websocket",
  ];
  expect(await Promise.all(foreign.map(statusOf))).toEqual(foreign.map((path) => [path, 404]));
});

test("lets the page run nothing but its own scripts", async () => {
  const { headers } = await get((await startDemo()).port, "/");
  expect(headers["x-content-type-options"]).toBe("nosniff");
  expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self';/);
  expect(headers["content-security-policy"]).not.toContain("unsafe");
});

test("prints what is no note as an error, and goes on", async () => {
  const server = await startDemo();
  await using conn = new Conn(`${server.url}websocket`);
  for (const payload of ["no json", Uint8Array.of(0xff)]) await conn.send(payload);
  for (const value of ["null", "1", '{"type":"note","data":1}', '{"jsonrpc":"2.0","method":"gone","params":[]}']) {
    await conn.send(value);
  }
  await conn.send('{"jsonrpc":"2.0","method":"note"}');
  await conn.send(`{"jsonrpc":"2.0","method":"note","params":${"[".repeat(8_000)}${"]".repeat(8_000)}}`);
  await conn.send('{"jsonrpc":"2.0","method":"note","params":{"text":"the last"}}');
  await server.line(/client 1 sent note \{"text":"the last"\}$/);
  expect(server.linesLike(/client 1 sent note nothing$/)).toHaveLength(1);
  expect(server.linesLike(/client 1 error: /)).toHaveLength(5);
  expect(server.linesLike(/client 1 sent note something nested too deeply to print$/)).toHaveLength(1);
  expect(server.linesLike(/client 1 sent /)).toHaveLength(3);
});

test("prints control characters escaped", async () => {
  const server = await startDemo();
  await using conn = new Conn(`${server.url}websocket`);
  const note = { jsonrpc: "2.0", method: "note", params: { text: "\u001b[31m\u009bone\ntwo\u202e\u2028" } };
  await conn.send(JSON.stringify(note));
  const line = await server.line(/client 1 sent/);
  expect(line).toContain(String.raw`note {"text":"\u001b[31m\u{9b}one\ntwo\u{202e}\u{2028}"}`);
});

test("gives a program the newest prices at once, and the next ones as they come", async () => {
  const { url } = await startDemo();
  await using conn = new Conn(`${url}websocket`, { codec: json<unknown, unknown>() });
  const lists = [];
  for await (const { data } of channels(conn).subscribe<Prices>("prices", { from: { last: 1 } })) {
    lists.push(data);
    if (lists.length === 3) break;
  }
  const [first] = lists.map(({ n }) => n);
  expect(lists.map(({ n }) => n - (first ?? 0))).toEqual([0, 1, 2]);
  expect(new Set(lists.map(({ market }) => market)).size).toBe(1);
  expect(lists.map(({ products }) => products.length)).toEqual([10, 10, 10]);
});

test("breaks the line only when its own page asks, by a name it knows", async () => {
  const { url } = await startDemo();
  const ask = async (body: string, headers: Record<string, string>) => {
    const response = await fetch(`${url}faults`, { method: "POST", body, headers });
    return response.status;
  };
  const own = { origin: new URL(url).origin, "content-type": "application/json" };
  expect(await ask('{"fault":"cut"}', own)).toBe(200);
  expect(await ask('{"fault":"cut"}', { ...own, origin: "http://elsewhere.example" })).toBe(403);
  expect(await ask('{"fault":"cut"}', { ...own, "content-type": "text/plain" })).toBe(403);
  for (const body of ['{"fault":"constructor"}', "null", "no json"]) expect(await ask(body, own)).toBe(400);
  expect(await ask(JSON.stringify({ fault: "x".repeat(300) }), own)).toBe(413);
  expect((await fetch(`${url}faults`)).status).toBe(405);
});

test("keeps boats, rooms and accounts apart from what a stranger sends", async () => {
  const server = await startDemo();
  await using stranger = new Conn(`${server.url}game?page=x`, { codec: cbor<unknown, unknown>() });
  const sailor = rpc<{ steer(params: object): void }>(stranger);
  for (const params of [[], { x: "fast", y: Number.NaN }, { x: 1e9, y: -1e9 }]) await sailor.notify("steer", params);
  const sea = channels(sailor).subscribe<Uint8Array>("sea");
  for await (const { data } of sea) {
    expect(unmarshalPicture(data).boats).toHaveLength(3);
    break;
  }
  await expect(sea.publish(Uint8Array.of(0))).rejects.toMatchObject({ code: "denied" });
  await using talker = new Conn(`${server.url}chat?page=x&name=a%E2%80%AEb`, { codec: json<unknown, unknown>() });
  const peer = rpc<{ say(params: object): void }>(talker);
  for (const room of ["", "x".repeat(25), null, {}]) {
    await expect(peer.call("say", { room, id: 1, text: "x" })).rejects.toMatchObject({ code: -32602 });
  }
  const room = channels(peer).subscribe("chat:constructor", { presence: true });
  await room.ready;
  await expect.poll(() => [...room.members.values()]).toEqual([{ name: "a b" }]);
  // The same number is the same line, whoever makes the call again.
  for (let n = 0; n < 2; n++) await peer.call("say", { room: "constructor", id: 7, text: "once\u0007" });
  await peer.call("say", { room: "constructor", id: 8, text: "twice" });
  const lines = [];
  for await (const { data } of room) {
    lines.push(data);
    if (lines.length === 2) break;
  }
  expect(lines).toMatchObject([
    { id: 7, author: "x", name: "a b", text: "once" },
    { id: 8, author: "x", name: "a b", text: "twice" },
  ]);
  await expect(room.publish({ forged: true })).rejects.toMatchObject({ code: "denied" });
});

test("says so when its port is taken", async () => {
  const { port } = await startDemo();
  const second = new Program(["demo/start.mjs", "--port", String(port)]);
  await second.line(/^Port \d+ of 127\.0\.0\.1 is taken\. Choose another one, such as: npm start -- --port \d+$/);
  expect(await second.ended).toBe(1);
});

test("says what several nodes need, and what is wrong with an address of Redis", async () => {
  const start = async (...args: string[]) => {
    const program = new Program(["demo/start.mjs", "--port", "0", ...args]);
    expect(await program.ended).toBe(1);
    return program.lines.join("\n");
  };
  const nodes = ["--nodes", "3"];
  expect(await start(...nodes)).toMatch(/^--nodes 3 needs --redis: .*npm start -- --nodes 3 --redis redis:\/\//);
  expect(await start(...nodes, "--redis", "here")).toMatch(/^--redis must be an address such as .*; got "here"\./);
  expect(await start("--nodes", "0")).toMatch(/^--nodes must be a whole number from 1 to 9; got "0"\./);
  const away = await start(...nodes, "--redis", `redis://:secret@127.0.0.1:${await freePort()}`);
  expect(away).toMatch(/^Can't reach Redis at 127\.0\.0\.1:\d+: connect ECONNREFUSED/);
  expect(away).not.toContain("secret");
});
