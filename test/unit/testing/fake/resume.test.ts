import { expect, test, vi } from "vitest";
import { Conn, type ConnOptions, json } from "../../../../src/index.ts";
import { resume } from "../../../../src/resume/client/index.ts";
import { type FakeServer, fakeServer } from "../../../../src/testing/fake/index.ts";
import { advance, settleMicrotasks, useFakeTime } from "../../../support/fake-time.ts";
import { URL } from "./sockets.ts";

useFakeTime();

const WAIT_MS = 1_000;

const server = () => fakeServer<string>({ codec: json<string>(), resume: true });

function dial({ WebSocket }: FakeServer<string>, options: ConnOptions<string> = {}): Conn<string> {
  const backoff = () => WAIT_MS;
  return new Conn<string>(URL, { WebSocket, resume: resume(), backoff, ...options, codec: json() });
}

test("a drop loses nothing in either direction, and each message is in one connection only", async () => {
  const fake = server();
  const conn = dial(fake);
  const first = await fake.next();
  await conn.ready();
  conn.send("one");
  await settleMicrotasks();
  conn.send("two");
  first.send("a");
  first.drop();
  first.send("b");
  await advance(WAIT_MS);
  const second = await fake.next();
  second.send("c");
  await conn.flush();
  expect([first.resumed, second.resumed]).toEqual([false, true]);
  expect([first.received, second.received]).toEqual([["one"], ["two"]]);
  expect([await conn.receive(), await conn.receive(), await conn.receive()]).toEqual(["a", "b", "c"]);
  await conn.close();
});

test("a black hole that the client leaves loses nothing, and its line is closed when the client is back", async () => {
  const fake = server();
  const conn = dial(fake, { heartbeat: { intervalMs: 100, timeoutMs: 200 } });
  const first = await fake.next();
  await conn.ready();
  first.blackhole();
  conn.send("up");
  first.send("down");
  await advance(300);
  expect(conn.state).toBe("waiting");
  await advance(WAIT_MS);
  const second = await fake.next();
  expect(await second.receive()).toBe("up");
  expect(await conn.receive()).toBe("down");
  expect([first.isOpen, second.resumed]).toEqual([false, true]);
  await conn.close();
});

test("restart() loses the session, and what was not acknowledged is in doubt", async () => {
  const fake = server();
  const conn = dial(fake);
  const losses: unknown[] = [];
  conn.on("session-lost", (loss) => losses.push(loss));
  await fake.next();
  await conn.ready();
  conn.send("one");
  await settleMicrotasks();
  fake.restart();
  await advance(WAIT_MS);
  const second = await fake.next();
  await conn.ready();
  expect(second.resumed).toBe(false);
  expect(losses).toEqual([{ delivered: [], undelivered: [], inDoubt: ['"one"'] }]);
  await conn.close();
});

test("close(1000) ends the session well, and with it the Conn", async () => {
  const fake = server();
  const conn = dial(fake);
  const first = await fake.next();
  await conn.ready();
  conn.send("one");
  await settleMicrotasks();
  first.send("last");
  first.close();
  expect(await conn.closed).toMatchObject({ code: 1000, by: "peer", unsent: [], inDoubt: [] });
  expect(await conn.receive()).toBe("last");
  expect(() => first.send("too late")).toThrow(expect.objectContaining({ code: "closed" }));
});

test("close(1012) ends the session: the client comes back to a new one, and knows what had arrived", async () => {
  const fake = server();
  const conn = dial(fake);
  const losses: unknown[] = [];
  conn.on("session-lost", (loss) => losses.push(loss));
  const first = await fake.next();
  await conn.ready();
  conn.send("one");
  await settleMicrotasks();
  first.close(1012);
  await advance(WAIT_MS);
  expect((await fake.next()).resumed).toBe(false);
  await conn.ready();
  expect(losses).toEqual([{ delivered: [], undelivered: [], inDoubt: [] }]);
  await conn.close();
});

test("a full window holds the server's messages back until the client acknowledges", async () => {
  const fake = server();
  const conn = dial(fake, { resume: resume({ windowBytes: 1_000 }) });
  const connection = await fake.next();
  await conn.ready();
  const texts = Array.from({ length: 200 }, (_, i) => `${i} ${"x".repeat(100)}`);
  for (const text of texts) connection.send(text);
  const received: string[] = [];
  while (received.length < texts.length) received.push(await conn.receive());
  expect(received).toEqual(texts);
  await conn.close();
});

test("a client without resume is served all the same", async () => {
  const fake = server();
  const conn = dial(fake, { resume: undefined });
  const connection = await fake.next();
  connection.send("hello");
  expect(await conn.receive()).toBe("hello");
  expect([connection.offered, connection.protocol]).toEqual([[], ""]);
  await conn.close();
});

test("both ends see the application's subprotocol without that of resume", async () => {
  const fake = fakeServer<string>({ codec: json<string>(), resume: true, protocols: ["v2"] });
  const conn = dial(fake, { protocols: ["v1", "v2"] });
  const connection = await fake.next();
  await conn.ready();
  expect([conn.protocol, connection.protocol, connection.offered]).toEqual(["v2", "v2", ["v1", "v2"]]);
  await conn.close();
});

test("leaves no timer behind but that of acknowledgements", async () => {
  const fake = server();
  const conn = dial(fake, { heartbeat: false });
  const connection = await fake.next();
  await conn.ready();
  conn.send("one");
  await settleMicrotasks();
  expect(vi.getTimerCount()).toBe(1);
  await conn.close();
  await connection.closed;
  expect(vi.getTimerCount()).toBe(0);
});
