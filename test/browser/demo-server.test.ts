import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { expect, test } from "vitest";
import { Conn } from "../../src/index.ts";
import { Program, startDemo } from "./program.ts";

/** Asks for `path` as it stands, which fetch() would clean up. */
async function get(port: number, path: string): Promise<IncomingMessage> {
  const [response] = await once(request({ host: "127.0.0.1", port, path }).end(), "response");
  return response.resume();
}

test("serves its own files, and nothing else", async () => {
  const { port } = await startDemo();
  const statusOf = async (path: string) => [path, (await get(port, path)).statusCode];
  const own = ["/", "/page.js", "/style.css", "/tautline.min.js", "/?query"];
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

test("says so when its port is taken", async () => {
  const { port } = await startDemo();
  const second = new Program(["demo/start.mjs", "--port", String(port)]);
  await second.line(/^Port \d+ of 127\.0\.0\.1 is taken\. Choose another one, such as: npm start -- --port \d+$/);
  expect(await second.ended).toBe(1);
});
