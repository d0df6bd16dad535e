import { expect, test } from "vitest";
import { ReconnectingWebSocket } from "../../../src/websocket/index.ts";
import { advance, settleMicrotasks, useFakeTime } from "../../support/fake-time.ts";
import { record, serve, URL, WAIT_MS } from "./sockets.ts";

useFakeTime();

test("a drop is a close event, CONNECTING, and an open event once more", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  const first = await server.next();
  await settleMicrotasks();
  first.drop();
  await settleMicrotasks();
  expect([socket.readyState, socket.retryCount]).toEqual([0, 1]);
  await advance(WAIT_MS);
  expect(events).toEqual(["open in 1", "close 1006 false in 0", "open in 1"]);
});

test("each failed attempt is an error event and a close event", async () => {
  const { server, options } = serve();
  server.refuse("network", 2);
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  await advance(2 * WAIT_MS);
  const failed = ["error connect ECONNREFUSED in 0", "close 1006 false in 0"];
  expect(events).toEqual([...failed, ...failed, "open in 1"]);
});

test("maxRetries is the end: the last attempt closes the socket, and reconnect() opens it again", async () => {
  const { server, options } = serve();
  server.refuse("network", 3);
  const socket = new ReconnectingWebSocket(URL, [], { ...options, maxRetries: 2 });
  const events = record(socket);
  await advance(10 * WAIT_MS);
  const failed = (state: number) => [`error connect ECONNREFUSED in ${state}`, `close 1006 false in ${state}`];
  expect([events, server.dials]).toEqual([[...failed(0), ...failed(0), ...failed(3)], 3]);
  socket.reconnect();
  await settleMicrotasks();
  expect([events.at(-1), socket.retryCount]).toEqual(["open in 1", 0]);
});

test("reconnect() in an error listener is followed by the close event, and opens again", async () => {
  const { server, options } = serve();
  server.refuse("network");
  const socket = new ReconnectingWebSocket(URL, [], { ...options, maxRetries: 0 });
  const events = record(socket);
  socket.addEventListener("error", () => socket.reconnect());
  await advance(WAIT_MS);
  expect(events).toEqual(["error connect ECONNREFUSED in 3", "close 1006 false in 0", "open in 1"]);
});

test("messages that are sent while there is no connection go out on the next one, in order", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  socket.send("one");
  const first = await server.next();
  expect(await first.receive()).toBe("one");
  first.drop();
  await settleMicrotasks();
  socket.send("two");
  socket.send("three");
  await advance(WAIT_MS);
  const second = await server.next();
  await settleMicrotasks();
  expect(second.received).toEqual(["two", "three"]);
});

test('with queue "none" send() throws between two connections, and nothing of the first reaches the second', async () => {
  const { server, options } = serve();
  const outbox = { highWaterMark: 10 };
  const socket = new ReconnectingWebSocket(URL, [], { ...options, outbox, queue: "none" });
  const first = await server.next();
  await settleMicrotasks();
  first.stall();
  socket.send("x".repeat(20));
  socket.send("waits for room");
  first.drop();
  await settleMicrotasks();
  expect(() => socket.send("between")).toThrow(expect.objectContaining({ name: "InvalidStateError" }));
  await advance(WAIT_MS);
  const second = await server.next();
  await settleMicrotasks();
  expect(second.received).toEqual([]);
});

test('with queue "first" messages before the first open are taken, and none afterwards', async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], { ...options, queue: "first" });
  socket.send("early");
  const first = await server.next();
  expect(await first.receive()).toBe("early");
  first.drop();
  await settleMicrotasks();
  expect(() => socket.send("between")).toThrow(expect.objectContaining({ name: "InvalidStateError" }));
});

test.each([1000, 1001, 1012, 4500])("opens again after the server's %d, and tells that code", async (code) => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  (await server.next()).close(code);
  await advance(WAIT_MS);
  expect(events).toEqual(["open in 1", `close ${code} true in 0`, "open in 1"]);
});

test.each([1008, 4401])("ends after the server's %d, which no further attempt would cure", async (code) => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  (await server.next()).close(code);
  await advance(10 * WAIT_MS);
  expect(events).toEqual(["open in 1", `close ${code} true in 3`]);
});

test("close() ends it: a close event after the call, and no further dial", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  await server.next();
  await settleMicrotasks();
  socket.close(4000);
  expect([socket.readyState, events]).toEqual([2, ["open in 1"]]);
  await advance(10 * WAIT_MS);
  expect([events, server.dials]).toEqual([["open in 1", "close 4000 true in 3"], 1]);
});

test("close() during a wait ends it with 1006, because there is no connection to shake hands over", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  (await server.next()).drop();
  await settleMicrotasks();
  const events = record(socket);
  socket.close(4000);
  expect([socket.readyState, events]).toEqual([2, []]);
  await advance(10 * WAIT_MS);
  expect([events, server.dials]).toEqual([["close 1006 false in 3"], 1]);
});

test("close() behind a Blob ends it with the code of the drop that comes meanwhile", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const first = await server.next();
  await settleMicrotasks();
  const events = record(socket);
  socket.send(new Blob(["read for ever"]));
  socket.close(4000);
  first.drop();
  await advance(10 * WAIT_MS);
  expect([events, socket.readyState, server.dials]).toEqual([["close 1006 false in 3"], 3, 1]);
});

test("reconnect() leaves an open connection for another, with a close event after the call", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const first = await server.next();
  // A Conn never dials twice within 250 ms.
  await advance(250);
  const events = record(socket);
  socket.reconnect();
  expect([socket.readyState, events]).toEqual([0, []]);
  socket.send("for the second");
  const second = await server.next();
  expect(await second.receive()).toBe("for the second");
  expect(events).toEqual(["close 1006 false in 0", "open in 1"]);
  expect([first.isOpen, second.isOpen]).toEqual([false, true]);
});

test("reconnect() cuts a wait short", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], { ...options, backoff: () => 60_000 });
  (await server.next()).drop();
  await settleMicrotasks();
  socket.reconnect();
  await advance(250);
  expect([socket.readyState, server.dials]).toEqual([1, 2]);
});

test("reconnect() opens again after close(), over another Conn", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  await server.next();
  await settleMicrotasks();
  const { conn } = socket;
  socket.close();
  await settleMicrotasks();
  expect(socket.readyState).toBe(3);
  const events = record(socket);
  socket.reconnect();
  expect(socket.readyState).toBe(0);
  socket.send("again");
  expect(await (await server.next()).receive()).toBe("again");
  expect(events).toEqual(["open in 1"]);
  expect(socket.conn).not.toBe(conn);
});

test("reconnect() while closing does not wait for the end, and reports the end of the connection", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const first = await server.next();
  await settleMicrotasks();
  first.blackhole();
  const events = record(socket);
  socket.close();
  socket.reconnect();
  await server.next();
  await advance(10 * WAIT_MS);
  expect([events, socket.readyState]).toEqual([["close 1006 false in 0", "open in 1"], 1]);
});

test("reconnect() leaves a dial that hangs, without an event of it", async () => {
  const { server, options } = serve();
  server.refuse("hang");
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  await advance(250);
  socket.reconnect();
  await settleMicrotasks();
  expect([events, server.dials]).toEqual([["open in 1"], 2]);
});

test("reconnect() leaves a url function that hangs", async () => {
  const { options } = serve();
  let calls = 0;
  const url = () => (++calls === 1 ? new Promise<string>(() => {}) : URL);
  const socket = new ReconnectingWebSocket(url, [], options);
  await advance(250);
  socket.reconnect();
  await advance(250);
  expect([calls, socket.readyState]).toEqual([2, 1]);
});

test("reconnect() starts a socket that autoConnect: false holds back", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], { ...options, autoConnect: false });
  const events = record(socket);
  await advance(WAIT_MS);
  expect([socket.readyState, server.dials]).toEqual([0, 0]);
  socket.reconnect();
  await settleMicrotasks();
  expect(events).toEqual(["open in 1"]);
});

test("reconnect() in a close listener is one more dial, and no event is lost or doubled", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  socket.addEventListener("close", () => socket.reconnect());
  (await server.next()).drop();
  await advance(WAIT_MS);
  expect([events, server.dials]).toEqual([["open in 1", "close 1006 false in 0", "open in 1"], 2]);
});

test("reconnect() between the end of the Conn and the close event keeps the event, and opens again", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], options);
  const events = record(socket);
  await server.next();
  await settleMicrotasks();
  socket.conn.on("closed", () => socket.reconnect());
  socket.close(4000);
  await advance(10 * WAIT_MS);
  expect(events).toEqual(["open in 1", "close 4000 true in 0", "open in 1"]);
});

/** Sends a Blob and a text, and drops the connection before the Blob is read, which happens on the next one. */
async function sendOverDrop(queue: "none" | "always") {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], { ...options, queue });
  const first = await server.next();
  await settleMicrotasks();
  const { blob, finish } = slowBlob("one");
  socket.send(blob);
  socket.send("two");
  first.drop();
  await advance(WAIT_MS);
  finish();
  await settleMicrotasks();
  return { socket, first, second: await server.next() };
}

test("a Blob that was sent on one connection does not reach the next one", async () => {
  const { socket, first, second } = await sendOverDrop("none");
  socket.send("alive");
  await settleMicrotasks();
  expect([first.received, second.received]).toEqual([[], ["alive"]]);
});

test('with queue "always" a Blob keeps its place over a drop', async () => {
  const { first, second } = await sendOverDrop("always");
  expect([first.received, second.received]).toEqual([[], [new TextEncoder().encode("one"), "two"]]);
});

test("a url function that rejects or hangs is not the end, and is asked on each attempt", async () => {
  const { server, options } = serve();
  const answers = [() => Promise.reject(new Error("no token")), () => new Promise<string>(() => {}), () => URL];
  const url = () => (answers.shift() as () => string | Promise<string>)();
  const socket = new ReconnectingWebSocket(url, () => ["v1"], { ...options, connectTimeoutMs: 5_000 });
  const events = record(socket);
  expect(socket.url).toBe("");
  await settleMicrotasks();
  expect(events).toEqual(["error url failed: Error: no token in 0", "close 1006 false in 0"]);
  await advance(WAIT_MS + 5_000 + WAIT_MS);
  expect(events.slice(2, 4)).toEqual(["error No connection within 5000 ms. in 0", "close 1006 false in 0"]);
  expect(server.dials).toBe(1);
  expect(socket.url).toBe(URL);
});

test.each(["url", "protocols"])("a %s function that throws is not the end", async (name) => {
  const { options } = serve();
  let calls = 0;
  const fail = () => {
    if (++calls === 1) throw new Error("no token");
  };
  const url = () => {
    if (name === "url") fail();
    return URL;
  };
  const protocols = () => {
    if (name === "protocols") fail();
    return [];
  };
  const events = record(new ReconnectingWebSocket(url, protocols, options));
  await advance(WAIT_MS);
  expect(events).toEqual([`error ${name} failed: Error: no token in 0`, "close 1006 false in 0", "open in 1"]);
});

test.each(["open", "message", "error", "close"])(
  "one %s event goes to the handler attribute and to the listeners",
  async (type) => {
    const { server, options } = serve();
    const socket = new ReconnectingWebSocket(URL, [], options);
    const seen: unknown[] = [];
    const handler = (event: unknown) => seen.push(event);
    Object.assign(socket, { [`on${type}`]: handler });
    socket.addEventListener(type, (event: unknown) => seen.push(event));
    const connection = await server.next();
    connection.send("message");
    await settleMicrotasks();
    server.refuse("network");
    connection.drop();
    await advance(WAIT_MS);
    expect([seen.length > 1, seen[0] === seen[1]]).toEqual([true, true]);
  },
);

test("a full queue is an error event, and the socket goes on", async () => {
  const { server, options } = serve();
  const socket = new ReconnectingWebSocket(URL, [], { ...options, outbox: { maxMessages: 1 } });
  const events = record(socket);
  socket.send("fits");
  socket.send("does not");
  await settleMicrotasks();
  expect(events).toEqual(["error The outbox is full: await send(), or raise its bounds. in 0", "open in 1"]);
  expect((await server.next()).received).toEqual(["fits"]);
});

test.each([
  [{ queue: "some" }, 'queue must be none or first or always; got "some".'],
  [{ drops: "hide" }, 'drops: it is always "reopen" here.'],
  [{ protocols: ["v1"] }, "protocols: give them to the constructor."],
  [{ maxReconnectionDelay: 5_000 }, "maxReconnectionDelay is not an option: use one of codec,"],
  [null, "options must be an object; got null."],
])("the options %j are refused at the caller's line", (options, message) => {
  expect(() => new ReconnectingWebSocket(URL, [], options as never)).toThrow(
    expect.objectContaining({ code: "bad-option", message: expect.stringContaining(message) }),
  );
});

test("a URL and subprotocols that can't be are refused at the caller's line", () => {
  for (const [url, protocols] of [["ftp://x"], ["ws://x#part"], [URL, ["a", "a"]], [URL, "a b"]] as const) {
    expect(() => new ReconnectingWebSocket(url, protocols as never)).toThrow(
      expect.objectContaining({ name: "SyntaxError" }),
    );
  }
});

/** A Blob that is read only when `finish()` is called. */
function slowBlob(text: string): { readonly blob: Blob; finish(): void } {
  const blob = new Blob([text]);
  let finish = () => {};
  const bytes = new Promise<ArrayBuffer>((resolve) => {
    finish = () => resolve(new TextEncoder().encode(text).buffer as ArrayBuffer);
  });
  return { blob: Object.assign(blob, { arrayBuffer: () => bytes }), finish: () => finish() };
}
