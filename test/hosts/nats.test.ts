import { afterEach, describe, expect, test } from "vitest";
import { type BrokerLine, isMissing, NATS, startBroker } from "./brokers.ts";
import { DEAD_AFTER_MS, HEARTBEAT, SLACK_MS, until } from "./line.ts";
import { type NatsConnection, nats, tautline } from "./packages.ts";

let broker: BrokerLine;
let connection: NatsConnection;

afterEach(async () => {
  await connection.close();
  await broker.close();
});

/** A connection over our class, with what it received and the names of its states. */
async function open(options: object) {
  const { webSocket } = await tautline();
  const WebSocket = webSocket(options);
  broker = await startBroker(NATS);
  connection = await nats().wsconnect({
    servers: [broker.url],
    wsFactory: (url: string) => ({ socket: new WebSocket(url), encrypted: false }),
    reconnectTimeWait: 20,
    maxReconnectAttempts: -1,
  });
  const received: string[] = [];
  const states: string[] = [];
  (async () => {
    for await (const message of connection.subscribe("ropes")) received.push(message.string());
  })();
  (async () => {
    for await (const { type } of connection.status()) states.push(type);
  })();
  return { received, states };
}

// Where it is not installed: apt-get install nats-server.
describe.skipIf(isMissing(NATS))("@nats-io/nats-core", () => {
  test('with "close" it dials again itself after a drop, and keeps its subscription', async () => {
    const { received, states } = await open({});
    connection.publish("ropes", "before");
    await until("it is received", () => received.length === 1);
    broker.proxy.cut();
    await until("it is back", () => states.includes("reconnect"));
    connection.publish("ropes", "after");
    await until("the second is received", () => received.length === 2);
    expect(received).toEqual(["before", "after"]);
  });

  test('with "close" a black hole is known after the time of the heartbeat', async () => {
    const { states } = await open({ heartbeat: HEARTBEAT, connectTimeoutMs: 500 });
    await connection.flush();
    const start = performance.now();
    broker.proxy.blackhole();
    await until("it is known", () => states.includes("disconnect"));
    expect(performance.now() - start).toBeLessThan(DEAD_AFTER_MS + SLACK_MS);
    await broker.proxy.heal();
    await until("it is back", () => states.includes("reconnect"));
  });
});
