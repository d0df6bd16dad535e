import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { expect, test } from "vitest";
import { channels } from "../../src/channels/index.ts";
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
  const scripts = ["/page.js", "/shared/ledger.js", "/package/index.mjs", "/package/resume.mjs"];
  const own = ["/", "/style.css", ...scripts, "/?query"];
  expect(await Promise.all(own.map(statusOf))).toEqual(own.map((path) => [path, 200]));
  const foreign = ["/server.mjs", "/page/", "/../package.json", "/%2e%2e/package.json", "//etc/passwd", "/websocket"];
  expect(await Promise.all(foreign.map(statusOf))).toEqual(foreign.map((path) => [path, 404]));
});

test("lets the page run nothing but its own scripts", async () => {
  const { headers } = await get((await startDemo()).port, "/");
  expect(headers["x-content-type-options"]).toBe("nosniff");
  expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self';/);
  expect(headers["content-security-policy"]).not.toContain("unsafe");
});

test("prints what is no { type, data } as an error, and goes on", async () => {
  const server = await startDemo();
  await using conn = new Conn(`${server.url}websocket`);
  const nested = `{"type":"note","data":${"[".repeat(8_000)}${"]".repeat(8_000)}}`;
  for (const payload of ["no json", "null", '{"type":1,"data":2}', '{"type":"note"}', nested, Uint8Array.of(0xff)]) {
    await conn.send(payload);
  }
  await conn.send('{"type":"note","data":"the last"}');
  await server.line(/sent \{"type":"note","data":"the last"\}/);
  expect(server.linesLike(/client 1 error: /)).toHaveLength(5);
  expect(server.linesLike(/client 1 sent /)).toHaveLength(2);
});

test("prints control characters escaped", async () => {
  const server = await startDemo();
  await using conn = new Conn(`${server.url}websocket`);
  await conn.send(JSON.stringify({ type: "\u001b[31m\u009b", data: "one\ntwo\u202e\u2028" }));
  const line = await server.line(/client 1 sent/);
  expect(line).toContain(String.raw`{"type":"\u001b[31m\u{9b}","data":"one\ntwo\u{202e}\u{2028}"}`);
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
  await using stranger = new Conn(`${server.url}game?page=x`);
  await stranger.send("no steer");
  await stranger.send(Uint8Array.of(0x80, 0x7f));
  expect(await stranger.receive()).toHaveLength(26);
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
