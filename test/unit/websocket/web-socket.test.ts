import { expect, test, vi } from "vitest";
import { resume } from "../../../src/resume/client/index.ts";
import { webSocket } from "../../../src/websocket/index.ts";
import { advance, settleMicrotasks, useFakeTime } from "../../support/fake-time.ts";
import { until } from "../../support/ws-server.ts";
import { record, serve, URL, WAIT_MS } from "./sockets.ts";

useFakeTime();

test("a drop is the end of the socket, and nothing is dialed again", async () => {
  const { server, options } = serve();
  const Host = webSocket(options);
  const socket = new Host(URL);
  const events = record(socket);
  (await server.next()).drop();
  await advance(10 * WAIT_MS);
  expect(events).toEqual(["open in 1", "close 1006 false in 3"]);
  expect(server.dials).toBe(1);
});

test("a dial that fails is an error event and a close event, and the end", async () => {
  const { server, options } = serve();
  server.refuse("network");
  const Host = webSocket(options);
  const events = record(new Host(URL));
  await advance(10 * WAIT_MS);
  expect(events).toEqual(["error connect ECONNREFUSED in 3", "close 1006 false in 3"]);
  expect(server.dials).toBe(1);
});

test("a server that never answers is left after connectTimeoutMs", async () => {
  const { server, options } = serve();
  server.refuse("hang");
  const Host = webSocket({ ...options, connectTimeoutMs: 500 });
  const events = record(new Host(URL));
  await advance(499);
  expect(events).toEqual([]);
  await advance(1);
  expect(events).toEqual(["error No connection within 500 ms. in 3", "close 1006 false in 3"]);
});

test("a black hole ends the socket at the heartbeat's time", async () => {
  const { server, options } = serve();
  const ask = { ping: () => "ping", isPong: (payload: unknown) => payload === "pong" };
  const Host = webSocket({ ...options, heartbeat: { intervalMs: 1_000, timeoutMs: 500, ...ask } });
  const events = record(new Host(URL));
  (await server.next()).blackhole();
  await advance(1_499);
  expect(events).toEqual(["open in 1"]);
  await advance(1);
  expect(events).toEqual(["open in 1", "close 1006 false in 3"]);
});

test.each([1000, 1008, 1011, 4400])("the server's code %d reaches the host as it is", async (code) => {
  const { server, options } = serve();
  const Host = webSocket(options);
  const events = record(new Host(URL));
  (await server.next()).close(code);
  await settleMicrotasks();
  expect(events).toEqual(["open in 1", `close ${code} true in 3`]);
});

test("close() before open is an error event and close 1006, both after the call", async () => {
  const { server, options } = serve();
  const release = server.hold();
  const Host = webSocket(options);
  const socket = new Host(URL);
  const events = record(socket);
  await settleMicrotasks();
  socket.close(4000);
  expect([events, socket.readyState]).toEqual([[], 2]);
  await settleMicrotasks();
  release();
  await settleMicrotasks();
  expect(events.map((event) => event.replace(/error .* in/, "error in"))).toEqual([
    "error in 3",
    "close 1006 false in 3",
  ]);
  expect(server.connections).toEqual([]);
});

test("close() is a close event after the call, never inside", async () => {
  const { server, options } = serve();
  const Host = webSocket(options);
  const socket = new Host(URL);
  const connection = await server.next();
  await settleMicrotasks();
  const events = record(socket);
  socket.close(4000, "done");
  expect([events, socket.readyState]).toEqual([[], 2]);
  await settleMicrotasks();
  expect(events).toEqual(["close 4000 true in 3"]);
  expect(await connection.closed).toEqual({ code: 4000, reason: "done", wasClean: true });
});

test('send() throws while connecting, unless queue is "first"', async () => {
  const { server, options } = serve();
  const Strict = webSocket(options);
  const strict = new Strict(`${URL}?strict`);
  expect(() => strict.send("too early")).toThrow(expect.objectContaining({ name: "InvalidStateError" }));
  await server.next();
  const Early = webSocket({ ...options, queue: "first" });
  new Early(URL).send("early");
  expect(await (await server.next()).receive()).toBe("early");
});

test("a message longer than maxSendBytes throws at the caller's line, and a Blob of that length ends the socket", async () => {
  const { options } = serve();
  const Host = webSocket({ ...options, maxSendBytes: 10 });
  const socket = new Host(URL);
  await settleMicrotasks();
  const events = record(socket);
  expect(() => socket.send("x".repeat(11))).toThrow(expect.objectContaining({ code: "too-large" }));
  socket.send(new Blob(["x".repeat(11)]));
  vi.useRealTimers();
  await until(() => expect(events).toHaveLength(2));
  const error = "error The message is longer than maxSendBytes, 10. in 3";
  expect(events).toEqual([error, "close 1006 false in 3"]);
});

test("a listener is forgotten with its removal, not with the end of its signal", () => {
  const { options } = serve();
  const socket = new (webSocket(options))(URL);
  const { signal } = new AbortController();
  const [added, removed] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
  for (let i = 0; i < 3; i++) {
    const listener = () => {};
    socket.addEventListener("open", listener, { signal });
    socket.removeEventListener("open", listener);
  }
  expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([3, 3]);
});

test.each(["close", "reopen"] as const)(
  'with "%s" a message that is refused at this end is an error event and 1006, because no close frame came',
  async (drops) => {
    const { server, options } = serve();
    const Host = webSocket({ ...options, drops, maxPayloadBytes: 10 });
    const events = record(new Host(URL));
    (await server.next()).send("x".repeat(11));
    await advance(WAIT_MS);
    const error = "error A message is longer than maxPayloadBytes. in 3";
    expect(events).toEqual(["open in 1", error, "close 1006 false in 3"]);
  },
);

test("a message that finds the buffers full ends the socket with an error event", async () => {
  const { server, options } = serve();
  const Host = webSocket({ ...options, outbox: { maxBytes: 100, highWaterMark: 10 } });
  const socket = new Host(URL);
  (await server.next()).stall();
  await settleMicrotasks();
  const events = record(socket);
  for (let i = 0; i < 3; i++) socket.send("x".repeat(60));
  await settleMicrotasks();
  expect(events).toEqual([
    "error The outbox is full: await send(), or raise its bounds. in 3",
    "close 1006 false in 3",
  ]);
  expect(socket.bufferedAmount).toBeGreaterThanOrEqual(120);
});

/** A socket that hides drops, open and with a session, and its connection at the server. */
async function openHidden() {
  const { server, options } = serve(true);
  const Host = webSocket({ ...options, resume: resume(), drops: "hide" });
  const socket = new Host(URL);
  const events = record(socket);
  const first = await server.next();
  await settleMicrotasks();
  return { server, socket, first, events };
}

test('"hide": a drop is not seen at all, and nothing is lost', async () => {
  const { server, socket, first, events } = await openHidden();
  socket.send("one");
  await settleMicrotasks();
  first.drop();
  await settleMicrotasks();
  socket.send("two");
  first.send("a");
  expect(socket.readyState).toBe(1);
  await advance(WAIT_MS);
  const second = await server.next();
  expect([first.received, await second.receive()]).toEqual([["one"], "two"]);
  await settleMicrotasks();
  expect(events).toEqual(["open in 1", "message a in 1"]);
});

test('"hide": a lost session is the end, and nothing of the old one reaches a new one', async () => {
  const { server, socket, first, events } = await openHidden();
  socket.send("written");
  first.drop();
  await settleMicrotasks();
  socket.send("queued");
  server.restart();
  await advance(10 * WAIT_MS);
  expect(events.map((event) => event.replace(/error .* in/, "error in"))).toEqual([
    "open in 1",
    "error in 3",
    "close 1006 false in 3",
  ]);
  expect(server.connections.slice(1).flatMap(({ received }) => received)).toEqual([]);
});

test('"hide": close() during a hidden drop is 1006, because the server learns nothing of it', async () => {
  const { socket, first, events } = await openHidden();
  first.drop();
  await settleMicrotasks();
  socket.close(4000, "done");
  expect(socket.readyState).toBe(2);
  await settleMicrotasks();
  expect(events).toEqual(["open in 1", "close 1006 false in 3"]);
});

test('"hide": a server that does not speak resume is as with "close"', async () => {
  const { server, options } = serve(false);
  const Host = webSocket({ ...options, resume: resume(), drops: "hide" });
  const socket = new Host(URL);
  await settleMicrotasks();
  const events = record(socket);
  // The first connection was the offer of resume.
  const [, open] = server.connections;
  open?.drop();
  await settleMicrotasks();
  socket.send("queued");
  await advance(10 * WAIT_MS);
  expect(events.at(-1)).toBe("close 1006 false in 3");
  expect(server.connections.slice(1).flatMap(({ received }) => received)).toEqual([]);
});

test('"hide": a first dial that fails is the end, since hosts dial again themselves', async () => {
  const { server, options } = serve(true);
  server.refuse("network");
  const Host = webSocket({ ...options, resume: resume(), drops: "hide" });
  const events = record(new Host(URL));
  await advance(10 * WAIT_MS);
  expect(events).toEqual(["error connect ECONNREFUSED in 3", "close 1006 false in 3"]);
});

test.each([
  [{ drops: "never" }, 'drops must be close or reopen or hide; got "never".'],
  [{ queue: true }, "queue must be none or first or always; got true."],
  [{ drops: "hide" }, 'drops: "hide" needs resume: without a session a drop can\'t be hidden.'],
  [{ codec: {} }, "codec: A WebSocket carries strings and bytes: take a Conn for messages of a codec."],
  [{ protocols: ["v1"] }, "protocols: give them to the constructor."],
  [{ autoConnect: false }, "autoConnect: the constructor connects."],
  [{ connectTimeout: 1 }, "connectTimeout is not an option: use connectTimeoutMs."],
  [null, "options must be an object; got null."],
])("webSocket(%j) is refused at the caller's line", (options, message) => {
  expect(() => webSocket(options as never)).toThrow(expect.objectContaining({ code: "bad-option", message }));
});

test("an option of the Conn that is out of range is refused at the caller's line too", () => {
  expect(() => webSocket({ connectTimeoutMs: -1 })).toThrow(expect.objectContaining({ code: "bad-option" }));
});

test("an error of the constructor quotes no URL and no subprotocol, because both may hold a token", () => {
  const Host = webSocket();
  for (const [url, protocols] of [
    ["ftp://x.test/?token=secret"],
    ["ws://x.test/?token=secret#part"],
    [URL, "secret token"],
  ] as const) {
    const message = expect.not.stringContaining("secret");
    expect(() => new Host(url, protocols)).toThrow(expect.objectContaining({ name: "SyntaxError", message }));
  }
});

test("the origin of a message has no credentials", async () => {
  const { server, options } = serve();
  const socket = new (webSocket(options))("ws://user:pass@fake.test:8080/live?at=@");
  const message = new Promise<MessageEvent>((resolve) => socket.addEventListener("message", resolve));
  (await server.next()).send("text");
  expect((await message).origin).toBe("ws://fake.test:8080");
});
