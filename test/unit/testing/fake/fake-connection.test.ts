import { expect, test } from "vitest";
import { json } from "../../../../src/index.ts";
import { type FakeServer, fakeServer } from "../../../../src/testing/fake/index.ts";
import { record, settle, URL } from "./sockets.ts";

/** An open connection, both ends. */
async function connect<In, Out>(server: FakeServer<In, Out>) {
  const socket = new server.WebSocket(URL);
  const events = record(socket);
  const connection = await server.next();
  await settle();
  events.length = 0;
  return { socket, connection, events };
}

test("decodes what the client sends, and encodes what the server sends", async () => {
  const { socket, connection, events } = await connect(fakeServer<{ n: number }, string>({ codec: json() }));
  socket.send('{"n":1}');
  socket.send('{"n":2}');
  expect(await connection.receive()).toEqual({ n: 1 });
  expect(await connection.receive()).toEqual({ n: 2 });
  expect(connection.received).toEqual([{ n: 1 }, { n: 2 }]);
  expect(connection.received[0]).toBe(connection.received[0]);
  connection.send("hi");
  await settle();
  expect(events).toEqual(['message "hi"']);
});

test("a message that can't be decoded rejects one receive(), and is no message of `received`", async () => {
  const { socket, connection } = await connect(fakeServer<number>({ codec: json<number>() }));
  socket.send("{");
  socket.send("2");
  await expect(connection.receive()).rejects.toMatchObject({ code: "unmarshal", payload: "{" });
  expect(await connection.receive()).toBe(2);
  expect(() => connection.received).toThrow(expect.objectContaining({ code: "unmarshal" }));
});

test("receive() waits for its message, and an aborted one takes none", async () => {
  const { socket, connection } = await connect(fakeServer());
  const controller = new AbortController();
  const aborted = connection.receive({ signal: controller.signal });
  const waiting = connection.receive();
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ code: "aborted" });
  socket.send("one");
  expect(await waiting).toBe("one");
});

test("receive() gives what came before the end, and then says how the connection ended", async () => {
  const { socket, connection } = await connect(fakeServer());
  const pending = [connection.receive(), connection.receive()];
  socket.send("last");
  socket.close(4000, "done");
  expect(await pending[0]).toBe("last");
  const message = "No message will come: the connection ended with 4000 (done), after 1 messages of the client.";
  await expect(pending[1]).rejects.toMatchObject({ code: "closed", message });
});

test("send() throws where nothing can be sent any more", async () => {
  const { connection } = await connect(fakeServer());
  connection.close();
  expect(() => connection.send("too late")).toThrow(expect.objectContaining({ code: "closed", payload: "too late" }));
  await connection.closed;
  const message = "Nothing can be sent: the connection ended with 1000, after 0 messages of the client.";
  expect(() => connection.send("too late")).toThrow(expect.objectContaining({ code: "closed", message }));
});

test("close() lets what was sent arrive first, and ends clean", async () => {
  const { socket, connection, events } = await connect(fakeServer());
  connection.send("last");
  connection.close(1012, "restart");
  expect(connection.isOpen).toBe(false);
  expect(await connection.closed).toEqual({ code: 1012, reason: "restart", wasClean: true });
  await settle();
  expect(events).toEqual(["message last", "close 1012 true"]);
  expect(socket.readyState).toBe(3);
});

test.each([999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5])("close(%d) is refused", async (code) => {
  const { connection } = await connect(fakeServer());
  expect(() => connection.close(code)).toThrow(expect.objectContaining({ code: "bad-option" }));
  expect(connection.isOpen).toBe(true);
});

test("close() and receive() name an argument that is out of its range", async () => {
  const { connection } = await connect(fakeServer());
  const range = "reason must be a string of at most 123 bytes of UTF-8";
  for (const [act, message] of [
    [() => connection.close(1000, "ü".repeat(62)), range],
    [() => connection.close(1000, 5 as never), `${range}; got 5.`],
    [() => connection.close("1000" as never), 'got "1000".'],
    [() => connection.receive({ signal: 5 as never }), "signal must be an AbortSignal; got 5."],
    [() => connection.receive({ sginal: 5 } as never), "sginal is not an option: use one of signal."],
  ] as const) {
    expect(act).toThrow(expect.objectContaining({ code: "bad-option", message: expect.stringContaining(message) }));
  }
  expect(connection.isOpen).toBe(true);
});

test("when both ends close at once each learns the code of the other", async () => {
  const { socket, connection, events } = await connect(fakeServer());
  socket.close(4001);
  connection.close(1001);
  expect(await connection.closed).toMatchObject({ code: 4001, wasClean: true });
  await settle();
  expect(events).toEqual(["close 1001 true"]);
});

test("a client that closes without a code is seen as 1005", async () => {
  const { socket, connection, events } = await connect(fakeServer());
  socket.close();
  expect(await connection.closed).toEqual({ code: 1005, reason: "", wasClean: true });
  await settle();
  expect(events).toEqual(["close 1005 true"]);
});

test("drop() ends both sides with 1006, and loses what is underway", async () => {
  const { socket, connection, events } = await connect(fakeServer());
  socket.send("up");
  connection.send("down");
  connection.drop();
  await settle();
  expect(events).toEqual(["close 1006 false"]);
  expect(connection.received).toEqual([]);
  expect(await connection.closed).toEqual({ code: 1006, reason: "", wasClean: false });
});

test("blackhole() takes everything without a word, and heal() delivers it in order", async () => {
  const { socket, connection, events } = await connect(fakeServer());
  connection.blackhole();
  socket.send("up 1");
  socket.send("up 2");
  connection.send("down");
  await settle();
  expect([events, connection.received, socket.bufferedAmount, socket.readyState]).toEqual([[], [], 0, 1]);
  connection.heal();
  await settle();
  expect([events, connection.received]).toEqual([["message down"], ["up 1", "up 2"]]);
});

test("stall() fills the client's buffer, still delivers to it, and heal() empties the buffer", async () => {
  const { socket, connection, events } = await connect(fakeServer());
  connection.stall();
  socket.send("grüße");
  socket.send(new Uint8Array(10));
  connection.send("down");
  await settle();
  expect([socket.bufferedAmount, connection.received, events]).toEqual([17, [], ["message down"]]);
  connection.heal();
  await settle();
  expect([socket.bufferedAmount, connection.received]).toEqual([0, ["grüße", new Uint8Array(10)]]);
});

test("a socket that closes while nobody reads stays in CLOSING", async () => {
  const { socket, connection, events } = await connect(fakeServer());
  connection.stall();
  socket.send("before");
  socket.close();
  await settle();
  expect([events, socket.readyState]).toEqual([[], 2]);
  connection.heal();
  await settle();
  expect([events, connection.received]).toEqual([["close 1005 true"], ["before"]]);
});
