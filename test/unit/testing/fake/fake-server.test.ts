import { expect, test } from "vitest";
import { json } from "../../../../src/index.ts";
import { fakeServer } from "../../../../src/testing/fake/index.ts";
import { record, settle, URL } from "./sockets.ts";

test("next() gives each connection once and in order, whether it is there already or not", async () => {
  const server = fakeServer();
  const early = [server.next(), server.next()];
  for (let i = 0; i < 3; i++) new server.WebSocket(`${URL}?${i}`);
  const third = await server.next();
  const urls = [...(await Promise.all(early)), third].map(({ url }) => url);
  expect(urls).toEqual([`${URL}?0`, `${URL}?1`, `${URL}?2`]);
  expect(server.connections.map(({ url }) => url)).toEqual(urls);
});

test("next() rejects with aborted, and takes no connection with it", async () => {
  const server = fakeServer();
  const controller = new AbortController();
  const given = server.next({ signal: controller.signal });
  controller.abort("enough");
  await expect(given).rejects.toMatchObject({ code: "aborted", cause: "enough" });
  await expect(server.next({ signal: controller.signal })).rejects.toMatchObject({ code: "aborted" });
  new server.WebSocket(URL);
  expect((await server.next()).url).toBe(URL);
});

test("selects the best of its subprotocols that the client offers", async () => {
  const server = fakeServer({ protocols: ["v3", "v2"] });
  const socket = new server.WebSocket(URL, ["v1", "v2", "v3"]);
  const connection = await server.next();
  await settle();
  expect([socket.protocol, connection.protocol]).toEqual(["v3", "v3"]);
  expect(connection.offered).toEqual(["v1", "v2", "v3"]);
});

test("fails a client that offers only subprotocols that the server does not speak", async () => {
  const server = fakeServer({ protocols: ["v2"] });
  const socket = new server.WebSocket(URL, "v1");
  const events = record(socket);
  const connection = await server.next();
  await settle();
  expect(events).toEqual(["error", "close 1006 false"]);
  expect(await connection.closed).toEqual({ code: 1006, reason: "", wasClean: false });
});

test("hold() leaves dials unanswered until all holds are released", async () => {
  const server = fakeServer();
  const [release, releaseToo] = [server.hold(), server.hold()];
  const sockets = [new server.WebSocket(`${URL}?0`), new server.WebSocket(`${URL}?1`)];
  release();
  release();
  await settle();
  expect(sockets.map(({ readyState }) => readyState)).toEqual([0, 0]);
  expect([server.connections.length, server.dials]).toEqual([0, 2]);
  releaseToo();
  await settle();
  expect(sockets.map(({ readyState }) => readyState)).toEqual([1, 1]);
  expect(server.connections.map(({ url }) => url)).toEqual([`${URL}?0`, `${URL}?1`]);
});

test("a client that gives up while it is held is no connection", async () => {
  const server = fakeServer();
  const release = server.hold();
  const socket = new server.WebSocket(URL);
  const events = record(socket);
  await settle();
  socket.close();
  release();
  await settle();
  expect(events).toEqual(["error", "close 1006 false"]);
  expect(server.connections).toEqual([]);
});

test.each([
  ["network", "connect ECONNREFUSED"],
  [503, "Unexpected server response: 503"],
] as const)("refuse(%j) fails the next dial only, and names the cause", async (how, message) => {
  const server = fakeServer();
  server.refuse(how);
  const first = new server.WebSocket(URL);
  const causes: unknown[] = [];
  first.onerror = (event) => causes.push(event.message);
  const events = record(first);
  const second = new server.WebSocket(URL);
  await settle();
  expect(events).toEqual(["error", "close 1006 false"]);
  expect(causes).toEqual([message]);
  expect(second.readyState).toBe(1);
});

test('refuse("hang") never answers, and 0 times takes the refusal back', async () => {
  const server = fakeServer();
  server.refuse("hang", Number.POSITIVE_INFINITY);
  const hung = new server.WebSocket(URL);
  await settle();
  server.refuse("hang", 0);
  const open = new server.WebSocket(URL);
  await settle();
  expect([hung.readyState, open.readyState]).toEqual([0, 1]);
});

test.each([
  [
    () => fakeServer({ codec: {} as never }),
    "codec must be an object with marshal and unmarshal, such as json(); got an object.",
  ],
  [
    () => fakeServer({ protocols: "v1" as never }),
    'protocols must be an array of subprotocols, which are tokens, each once; got "v1".',
  ],
  [
    () => fakeServer({ protocols: ["a b"] }),
    "protocols must be an array of subprotocols, which are tokens, each once; got an array.",
  ],
  [() => fakeServer({ resume: {} as never }), "resume must be true or false; got an object."],
  [() => fakeServer({ resum: true } as never), "resum is not an option: use resume."],
  [() => fakeServer(null as never), "The options must be an object; got null."],
  [() => fakeServer().refuse(200), 'how must be an HTTP status from 300 to 599, "network" or "hang"; got 200.'],
  [
    () => fakeServer().refuse("boom" as never),
    'how must be an HTTP status from 300 to 599, "network" or "hang"; got "boom".',
  ],
  [() => fakeServer().refuse("network", -1), "times must be a whole number, at least 0, or Infinity; got -1."],
  [() => fakeServer().refuse("network", 1.5), "times must be a whole number, at least 0, or Infinity; got 1.5."],
  [
    () => fakeServer().refuse("network", "2" as never),
    'times must be a whole number, at least 0, or Infinity; got "2".',
  ],
  [() => fakeServer().next({ signal: 5 as never }), "signal must be an AbortSignal; got 5."],
  [
    () => fakeServer().next({ signal: new AbortController() as never }),
    "signal must be an AbortSignal; got an object.",
  ],
  [() => fakeServer().next(null as never), "The options must be an object; got null."],
])("names an option that is out of its range", (act, message) => {
  expect(act).toThrow(expect.objectContaining({ code: "bad-option", message }));
});

test("install() replaces the global class, and gives back what was there", async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  const server = fakeServer<unknown>({ codec: json() });
  const installation = server.install();
  new globalThis.WebSocket(URL).onopen = ({ target }) => (target as WebSocket).send('{"n":1}');
  expect(await (await server.next()).receive()).toEqual({ n: 1 });
  installation.uninstall();
  expect(Object.getOwnPropertyDescriptor(globalThis, "WebSocket")).toEqual(before);
});

test("install() is undone by using, and leaves alone a class that was put there since", () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  const first = fakeServer();
  {
    using _first = first.install();
    expect(globalThis.WebSocket).toBe(first.WebSocket);
    const second = fakeServer();
    const late = second.install();
    _first.uninstall();
    expect(globalThis.WebSocket).toBe(second.WebSocket);
    late.uninstall();
  }
  expect(Object.getOwnPropertyDescriptor(globalThis, "WebSocket")).toEqual(before);
});

test("restart() drops every connection", async () => {
  const server = fakeServer();
  const events = [new server.WebSocket(URL), new server.WebSocket(URL)].map(record);
  await settle();
  server.restart();
  await settle();
  expect(events).toEqual([
    ["open", "close 1006 false"],
    ["open", "close 1006 false"],
  ]);
});
