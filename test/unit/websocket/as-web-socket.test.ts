import { expect, test } from "vitest";
import { Conn, json } from "../../../src/index.ts";
import { resume } from "../../../src/resume/client/index.ts";
import { asWebSocket } from "../../../src/websocket/index.ts";
import { advance, settleMicrotasks, useFakeTime } from "../../support/fake-time.ts";
import { record, serve, URL, WAIT_MS } from "./sockets.ts";

useFakeTime();

test("a Conn that is open is an OPEN socket, with what was agreed on", async () => {
  const { server, options } = serve();
  const conn = new Conn(URL, options);
  await conn.ready();
  const connection = await server.next();
  connection.send("before");
  await settleMicrotasks();
  const socket = asWebSocket(conn);
  const events = record(socket);
  expect([socket.readyState, socket.url, socket.protocol]).toEqual([1, URL, ""]);
  socket.send("hello");
  expect(await connection.receive()).toBe("hello");
  connection.send("welcome");
  await settleMicrotasks();
  expect(events).toEqual(["message before in 1", "message welcome in 1"]);
});

test("a Conn that connects is a CONNECTING socket, with an open event", async () => {
  const { options } = serve();
  const socket = asWebSocket(new Conn(URL, options));
  const events = record(socket);
  expect(socket.readyState).toBe(0);
  await settleMicrotasks();
  expect(events).toEqual(["open in 1"]);
});

test("drops are hidden while the session is resumed, and the end of the Conn is a close event", async () => {
  const { server, options } = serve(true);
  const conn = new Conn(URL, { ...options, resume: resume() });
  await conn.ready();
  const socket = asWebSocket(conn);
  const events = record(socket);
  (await server.next()).drop();
  await advance(WAIT_MS);
  expect([events, socket.readyState, server.dials]).toEqual([[], 1, 2]);
  socket.close(4000, "done");
  expect(socket.readyState).toBe(2);
  await settleMicrotasks();
  expect(events).toEqual(["close 4000 true in 3"]);
  expect(await conn.closed).toMatchObject({ code: 4000, by: "local" });
});

test("a reconnection without the session is a close event, and the Conn stays its owner's", async () => {
  const { server, options } = serve();
  const conn = new Conn(URL, options);
  await conn.ready();
  const socket = asWebSocket(conn);
  const events = record(socket);
  (await server.next()).drop();
  await advance(WAIT_MS);
  expect([events, conn.state]).toEqual([["close 1006 false in 3"], "open"]);
});

test("a Conn that has ended is a socket that ends at once", async () => {
  const { options } = serve();
  const conn = new Conn(URL, options);
  await conn.ready();
  await conn.close();
  const socket = asWebSocket(conn);
  const events = record(socket);
  expect(events).toEqual([]);
  await settleMicrotasks();
  expect(events).toEqual(["error in 3", "close 1006 false in 3"]);
});

test("close() of a Conn by its owner is CLOSING, and then a close event", async () => {
  const { options } = serve();
  const conn = new Conn(URL, options);
  await conn.ready();
  const socket = asWebSocket(conn);
  const events = record(socket);
  conn.close(4000);
  expect(socket.readyState).toBe(2);
  await settleMicrotasks();
  expect(events).toEqual(["close 4000 true in 3"]);
});

test("a Conn with a codec ends with its first message, which is neither text nor bytes", async () => {
  const { server, options } = serve();
  const conn = new Conn<object>(URL, { ...options, codec: json<object>() });
  await conn.ready();
  const events = record(asWebSocket(conn as never));
  (await server.next()).send("{}");
  await settleMicrotasks();
  const error = "error A WebSocket carries strings and bytes: take a Conn for messages of a codec. in 3";
  expect(events).toEqual([error, "close 1006 false in 3"]);
  expect(conn.state).toBe("closed");
});

test.each([undefined, null, {}, "ws://fake.test"])("%j is refused at the caller's line", (conn) => {
  expect(() => asWebSocket(conn as never)).toThrow(expect.objectContaining({ code: "bad-option" }));
});
