import { Server, WebSocket } from "mock-socket";
import { afterEach, expect, test, vi } from "vitest";
import {
  Conn,
  type ConnOptions,
  type ConnOptionsWithCodec,
  exponential,
  json,
  type Payload,
  type WebSocketConstructor,
} from "../../../src/index.ts";
import { advance, record, recordAll, useFakeTime } from "../../support/conn.ts";

interface Product {
  name: string;
  price: number;
}

const URL = "ws://mock.test/websocket";
const PRODUCTS: Product[] = [{ name: "kayak", price: 279 }];

useFakeTime();

const servers: Server[] = [];

/** A server that leaves the global WebSocket alone. */
function serve(): Server {
  const server = new Server(URL, { mock: false });
  servers.push(server);
  return server;
}

function dial<In = Payload, Out = In>(options: ConnOptions<In, Out>): Conn<In, Out> {
  const backoff = exponential({ random: () => 1 });
  const all = { WebSocket: WebSocket as unknown as WebSocketConstructor, backoff, ...options };
  return new Conn<In, Out>(URL, all as ConnOptionsWithCodec<In, Out>);
}

afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

test("connects, and reads and writes JSON", async () => {
  const server = serve();
  const commands: unknown[] = [];
  server.on("connection", (socket) => {
    socket.on("message", (text) => commands.push(JSON.parse(String(text))));
    socket.send(JSON.stringify(PRODUCTS));
  });
  const conn = dial<Product[], { top: number }>({ codec: json() });
  const heard = record(conn, "message");
  await advance(10);
  expect(conn.state).toBe("open");
  expect(heard).toEqual([PRODUCTS]);
  await conn.send({ top: 10 });
  await advance(10);
  expect(commands).toEqual([{ top: 10 }]);
});

test("is closed by both sides once", async () => {
  serve();
  const conn = dial({});
  await advance(10);
  const events = recordAll(conn);
  conn.close();
  await advance(10);
  expect(await conn.closed).toMatchObject({ code: 1000, by: "local" });
  expect(events).toEqual(["open>closing", "closing>closed", "closed"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("comes back when the server does, and a queued message arrives", async () => {
  const first = serve();
  const conn = dial({});
  await advance(10);
  first.close({ code: 1012, reason: "restart", wasClean: true });
  expect(conn.state).toBe("waiting");
  const sent = conn.send("queued");
  first.stop();

  const second = serve();
  const received: unknown[] = [];
  second.on("connection", (socket) => socket.on("message", (text) => received.push(text)));
  await advance(1_010);
  await sent;
  await advance(10);
  expect(conn.state).toBe("open");
  expect(received).toEqual(["queued"]);
});

test("tries again where nobody listens yet", async () => {
  const conn = dial({ shouldRetry: () => true });
  await advance(10);
  expect(conn.state).toBe("waiting");
  serve();
  await advance(1_010);
  expect(conn.state).toBe("open");
});

test("ends with the server's close frame", async () => {
  const server = serve();
  const conn = dial({});
  await advance(10);
  server.close({ code: 1000, reason: "bye", wasClean: true });
  expect(await conn.closed).toMatchObject({ code: 1000, reason: "bye", by: "peer" });
});

test("offers its protocols and takes the one selected", async () => {
  const selectProtocol = (protocols: string[]) => protocols[1] ?? "";
  servers.push(new Server(URL, { mock: false, selectProtocol }));
  const conn = dial({ protocols: ["a", "b"] });
  await advance(10);
  expect(conn.protocol).toBe("b");
});
