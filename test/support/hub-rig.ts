import type { HubOptions, ServeOptions } from "../../src/hub/index.ts";
import { type Hub, hub } from "../../src/hub/index.ts";
import { type FakeEngine, FakeStore } from "./fake-engine.ts";
import { HubClient } from "./hub-client.ts";

/** A hub on a fake store, with fake time: a test calls `useFakeTime()` first. */
export interface HubRig {
  readonly store: FakeStore;
  readonly engine: FakeEngine;
  readonly topics: Hub;
  /** Connects a client. */
  client(options?: ServeOptions): HubClient;
  /** Errors that went to `onError`. */
  readonly errors: unknown[];
}

export const HISTORY = { size: 10, ttlMs: 60_000 };

/** Makes a hub with the channels `all:*`, `newest:*`, `fitting:*`, `plain:*` and `room:*`, which has presence. */
export function createHub(options: Partial<HubOptions> = {}, store = new FakeStore()): HubRig {
  const engine = store.engine();
  const errors: unknown[] = [];
  const topics = hub({
    engine,
    channels: {
      "all:*": { history: HISTORY },
      "newest:*": { history: HISTORY, deliver: "newest" },
      "fitting:*": { history: HISTORY, deliver: "fitting" },
      "plain:*": {},
      "room:*": { presence: true },
    },
    authorize: () => true,
    onError: (error) => errors.push(error),
    ...options,
  });
  return { store, engine, topics, errors, client: (serveOptions) => new HubClient(topics, serveOptions) };
}

/** Lets everything happen that needs no time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** Publishes so many numbers, from 1 on or from `first` on. */
export async function publishAll(topics: Hub, channel: string, count: number, first = 1): Promise<void> {
  for (let i = 0; i < count; i++) await topics.publish(channel, first + i);
  await settle();
}
