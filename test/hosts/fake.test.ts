// Other clients on the fake server, as a test that its class is true to the standard.
import { afterEach, expect, test } from "vitest";
import { until } from "./line.ts";
import { type GraphqlClient, graphql, partysocket, reconnectingWebSocket, tautline } from "./packages.ts";

const { createClient } = graphql();
const CLIENTS = { partysocket: await partysocket(), "reconnecting-websocket": reconnectingWebSocket() };
const URL = "ws://fake.test/live";

let stop: () => void | Promise<void> = () => {};
afterEach(() => stop());

test.each(Object.entries(CLIENTS))("%s opens, drops and opens again on the fake server", async (_name, Client) => {
  const { fakeServer } = await tautline();
  const server = fakeServer();
  const socket = new Client(URL, [], {
    WebSocket: server.WebSocket,
    minReconnectionDelay: 10,
    maxReconnectionDelay: 20,
  });
  stop = () => socket.close();
  const received: string[] = [];
  const closes: number[] = [];
  socket.onmessage = ({ data }) => received.push(data);
  socket.onclose = ({ code }) => closes.push(code);
  socket.send("queued");
  const first = await server.next();
  expect(await first.receive()).toBe("queued");
  first.send("welcome");
  await until("it is received", () => received.length === 1);
  first.drop();
  const second = await server.next();
  second.send("welcome back");
  await until("it is received too", () => received.length === 2);
  expect(received).toEqual(["welcome", "welcome back"]);
  expect(closes).toEqual([1006]);
  socket.send("after");
  expect(await second.receive()).toBe("after");
  socket.close(4000, "done");
  expect(await second.closed).toEqual({ code: 4000, reason: "done", wasClean: true });
});

test("graphql-ws subscribes on the fake server, and once more after a drop", async () => {
  const { fakeServer } = await tautline();
  interface Message {
    readonly type: string;
    readonly id?: string;
    readonly payload?: unknown;
  }
  const codec = {
    marshal: (message: Message) => JSON.stringify(message),
    unmarshal: (payload: string | Uint8Array) => JSON.parse(String(payload)) as Message,
  };
  const server = fakeServer<Message>({ codec, protocols: ["graphql-transport-ws"] });
  const client: GraphqlClient = createClient({
    url: URL,
    webSocketImpl: server.WebSocket,
    retryAttempts: 5,
    retryWait: async () => {},
  });
  stop = () => client.dispose();
  const results = client.iterate({ query: "subscription { count }" });
  const next = results.next();
  for (let dial = 0; dial < 2; dial++) {
    const connection = await server.next();
    expect(connection.protocol).toBe("graphql-transport-ws");
    expect(await connection.receive()).toEqual({ type: "connection_init" });
    connection.send({ type: "connection_ack" });
    const { type, id } = await connection.receive();
    expect(type).toBe("subscribe");
    if (dial === 0) connection.drop();
    else connection.send({ type: "next", id: id as string, payload: { data: { count: 7 } } });
  }
  expect((await next).value).toEqual({ data: { count: 7 } });
});
