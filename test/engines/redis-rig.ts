import { afterAll, afterEach } from "vitest";
import type { ConnError } from "../../src/base/errors.ts";
import { type RedisClientLike, type RedisEngineOptions, redisEngine } from "../../src/engines/redis.ts";
import type { Engine, EngineState, History, LogEntry, NodeChange, Position } from "../../src/server/engine.ts";
import { type FaultProxy, faultProxy } from "../../src/testing/index.ts";
import { clientOf, stopAll } from "./redis-server.ts";

export const HISTORY: History = { size: 100, ttlMs: 60_000 };
export const ALL = { messages: 1_000, bytes: 2 ** 20 };
/** Short, so that a test of a fault takes about a second. */
export const BRIEF = { timeoutMs: 1_000, probeMs: 150, leaseMs: 600 };

/** An engine, with all that it reported. */
export interface Node {
  readonly engine: Engine;
  readonly errors: ConnError[];
  readonly states: EngineState[];
  /** Other nodes that died or came back, each as `gone redis-…`. */
  readonly others: string[];
}

const engines: Engine[] = [];
const proxies: FaultProxy[] = [];
let prefixes = 0;

/** Ends engines and proxies after each test of the file, and servers after the last one. */
export function cleanUp(): void {
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  });
  afterAll(stopAll);
}

/** A prefix that no other test of the file has. */
export const newPrefix = () => `faults:${prefixes++}`;

export function startNode(client: RedisClientLike, options: Partial<RedisEngineOptions> = {}): Node {
  const errors: ConnError[] = [];
  const states: EngineState[] = [];
  const others: string[] = [];
  const engine = redisEngine({ ...BRIEF, client, onError: (error) => errors.push(error), ...options });
  engine.onState((state) => states.push(state));
  engine.onNode((node: string, change: NodeChange) => others.push(`${change} ${node}`));
  engines.push(engine);
  return { engine, errors, states, others };
}

export async function startProxy(port: number): Promise<FaultProxy> {
  const proxy = await faultProxy(port, { seed: 21 });
  proxies.push(proxy);
  return proxy;
}

/** A pattern whose n-th connection, counted from 0, goes to the port that `portOf` gives. */
export function patternOf(portOf: (n: number) => number): RedisClientLike {
  let count = 0;
  const duplicate = (options?: object) => clientOf(portOf(count++)).duplicate(options) as RedisClientLike;
  return Object.assign(clientOf(portOf(0)), { duplicate }) as RedisClientLike;
}

export async function publishAll(engine: Engine, channel: string, ...all: string[]): Promise<Position[]> {
  const positions: Position[] = [];
  for (const data of all) positions.push((await engine.publish(channel, data, { history: HISTORY })) as Position);
  return positions;
}

export const textsOf = (entries: readonly LogEntry[] | undefined) => entries?.map(({ data }) => data);

/** The texts of the whole log. */
export async function logOf(engine: Engine, channel: string): Promise<unknown> {
  return textsOf((await engine.read(channel, { last: 1_000 }, ALL))?.entries);
}
