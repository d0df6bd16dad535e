import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "tautline";
import { resume } from "tautline/resume";
import { handle, handler } from "tautline/server";
import { type FaultProxy, faultProxy } from "tautline/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chat } from "./chat.ts";

let received: string[];
let proxy: FaultProxy;
let stop: () => Promise<void>;

beforeEach(async () => {
  received = [];
  const server = createServer();
  const serve = handler<string>((conn) => conn.on("message", (line) => received.push(line)), {
    codec: json<string>(),
    resume: {},
  });
  handle(server, "/", serve);
  await once(server.listen(0, "127.0.0.1"), "listening");
  proxy = await faultProxy((server.address() as AddressInfo).port, { seed: 7 });
  stop = async () => {
    await proxy.close();
    await serve.shutdown({ timeoutMs: 100 });
    server.close();
  };
});

afterEach(() => stop());

test("what is said while the line is cut arrives once, and in order", async () => {
  const { conn, say } = chat(`ws://127.0.0.1:${proxy.port}/`, { resume: resume(), backoff: () => 250 });
  await conn.ready();
  for (let n = 0; n < 30; n++) {
    say(`line ${n}`);
    if (n === 10) proxy.cutInFrame("server");
    if (n === 20) proxy.reset();
  }
  await conn.flush();
  expect(received).toEqual(["join ropes", ...Array.from({ length: 30 }, (_, n) => `line ${n}`)]);
  await conn.close();
});

test("a line that swallows everything is noticed and left", async () => {
  const { conn } = chat(`ws://127.0.0.1:${proxy.port}/`, { heartbeat: { intervalMs: 50, timeoutMs: 100 } });
  await conn.ready();
  const lost = vi.fn();
  conn.on("disconnected", lost);
  proxy.blackhole();
  await vi.waitFor(() => expect(lost).toHaveBeenCalledOnce(), 2_000);
  await proxy.heal();
  await conn.ready();
  await conn.close();
});
