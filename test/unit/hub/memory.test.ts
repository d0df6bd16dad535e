import { expect, test } from "vitest";
import { hub } from "../../../src/hub/index.ts";
import { liveBytes } from "../../support/heap.ts";
import { HubClient } from "../../support/hub-client.ts";
import { settle } from "../../support/hub-rig.ts";

/** Subscriptions of each client that is measured. */
const CHANNELS = 100;
const CLIENTS = 100;

/** Delivers the subscribe frame of each client, and lets go of what the fakes have recorded. */
async function subscribeAll(clients: readonly HubClient[], names: readonly string[]): Promise<void> {
  for (const client of clients) {
    client.subscribe(Object.fromEntries(names.map((name) => [name, {}])));
    await settle();
    client.frames.length = client.written.length = 0;
  }
  await settle();
}

test("a subscription takes at most 400 bytes on the server, where its channel is there already", async () => {
  const topics = hub({
    channels: { "chat:*": { history: { size: 10, ttlMs: 60_000 } } },
    authorize: () => true,
  });
  const names = Array.from({ length: CHANNELS + 1 }, (_, i) => `chat:${i}`);
  const first = new HubClient(topics);
  await subscribeAll([first], names);
  const clients = Array.from({ length: CLIENTS }, () => new HubClient(topics));
  // One channel each, so that what every client takes is not counted.
  await subscribeAll(clients, names.slice(0, 1));
  const before = liveBytes();
  await subscribeAll(clients, names.slice(1));
  const bytes = (liveBytes() - before) / (CLIENTS * CHANNELS);
  expect(bytes).toBeGreaterThan(50);
  expect(bytes).toBeLessThanOrEqual(400);
  await topics.close();
});
