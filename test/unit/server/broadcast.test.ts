import { expect, test } from "vitest";
import { type CodecLike, json } from "../../../src/index.ts";
import { type HandlerOptions, handle, handler, type ServerConn } from "../../../src/server/index.ts";
import { dial, rawSocket, site, until, upgradeRequest } from "../../support/ws-server.ts";
import { dropClient, openSession, serving as startSessions } from "./serving.ts";

async function startServer(options: HandlerOptions<unknown, unknown> = {}) {
  const errors: unknown[] = [];
  const ws = handler<unknown>(() => {}, { codec: json(), onError: (error) => errors.push(error), ...options });
  const all = await site((server) => handle(server, "/ws", ws));
  const connect = async (count: number) => {
    const clients = await Promise.all(Array.from({ length: count }, () => dial(all.url())));
    await until(() => expect([...ws.conns].filter(({ state }) => state === "open")).toHaveLength(count));
    return clients;
  };
  return { ...all, ws, errors, connect };
}

test("broadcast() encodes a value once for all Conns, and reports how many took it", async () => {
  const encoded: unknown[] = [];
  const { marshal, unmarshal } = json<unknown, unknown>();
  const codec: CodecLike<unknown, unknown> = {
    marshal(value) {
      encoded.push(value);
      return marshal(value);
    },
    unmarshal,
  };
  const { ws, connect } = await startServer({ codec });
  const clients = await connect(3);
  expect(await ws.broadcast({ news: 1 })).toBe(3);
  for (const { received } of clients) await until(() => expect(received).toEqual(['{"news":1}']));
  expect(encoded).toEqual([{ news: 1 }]);
});

test("broadcast() keeps text text and bytes bytes", async () => {
  const { ws, connect } = await startServer({
    codec: { marshal: (value) => value as string, unmarshal: (data) => data },
  });
  const [client] = await connect(1);
  await ws.broadcast("text");
  await ws.broadcast(Uint8Array.of(1, 2));
  await until(() => expect(client?.received).toEqual(["text", Buffer.of(1, 2)]));
});

test.each([
  ["one Conn", ([first]: ServerConn<unknown>[]) => first],
  ["several", (conns: ServerConn<unknown>[]) => conns.slice(0, 1)],
])("broadcast() leaves out %s", async (_what, choose) => {
  const { ws, connect } = await startServer();
  const clients = await connect(3);
  const except = choose([...ws.conns]);
  expect(await ws.broadcast("news", { except })).toBe(2);
  await ws.broadcast("for all");
  const forAll = '"for all"';
  await until(() => expect(clients.map(({ received }) => received.at(-1))).toEqual([forAll, forAll, forAll]));
  expect(clients.filter(({ received }) => received.includes('"news"'))).toHaveLength(2);
});

test("broadcast() skips a Conn that is closing", async () => {
  const { ws, port, url } = await startServer();
  rawSocket(port, upgradeRequest("/ws"));
  await until(() => expect(ws.conns.size).toBe(1));
  const [first] = ws.conns;
  await dial(url());
  await until(() => expect(ws.conns.size).toBe(2));
  first?.close();
  expect(first?.state).toBe("closing");
  expect(await ws.broadcast("news")).toBe(1);
});

test("broadcast() with volatile counts no client that is away", async () => {
  const server = await startSessions();
  await dropClient(await openSession(server), server.conns[0]);
  await openSession(server);
  expect(await server.ws.broadcast("kept")).toBe(2);
  expect(await server.ws.broadcast("lost", { volatile: true })).toBe(1);
});

test("broadcast() never throws: a bad value or option goes to onError and counts 0", async () => {
  const { ws, errors, connect } = await startServer({ maxSendBytes: 10 });
  const clients = await connect(2);
  expect(await ws.broadcast(1n)).toBe(0);
  expect(await ws.broadcast("too long for the limit")).toBe(0);
  expect(await ws.broadcast("x", { ttlMs: -1 })).toBe(0);
  expect(errors).toMatchObject([{ code: "marshal" }, { code: "too-large" }, { code: "bad-option" }]);
  for (const { socket } of clients) expect(socket.readyState).toBe(1);
});

test("broadcast() from a listener of closed reaches the others", async () => {
  const counts: number[] = [];
  const ws = handler((conn) => void conn.on("closed", async () => counts.push(await ws.broadcast("somebody left"))));
  const { url } = await site((server) => handle(server, "/ws", ws));
  const clients = await Promise.all([dial(url()), dial(url())]);
  await until(() => expect(ws.conns.size).toBe(2));
  clients[0]?.socket.terminate();
  await until(() => expect(clients[1]?.received).toEqual(["somebody left"]));
  expect(counts).toEqual([1]);
});
