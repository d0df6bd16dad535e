import type { Server } from "node:http";
import { expect, type TestContext, vi } from "vitest";
import type { ServerOptions } from "ws";
import { type FaultProxy, faultProxy } from "../../src/testing/fault-proxy.ts";
import { type Away, away, type News } from "./away.ts";
import { expectTruth } from "./ledger.ts";
import { type Peer, peer } from "./peer.ts";

/** The time that a busy machine may add to any other. */
export const SLACK_MS = 1_000;
/** Long enough for the first dial of eight processes that start at once: an attempt that fails is none of theirs. */
const CONNECT_TIMEOUT_MS = 3_000;
/** A program with nothing left to do ends within this, however busy the machine. */
const EXIT_MS = 1_500;
/** The time that TCP may need to close: less than any timer that could be left over. */
const AFTERWARDS_MS = 900;
export const HEARTBEAT = { intervalMs: 250, timeoutMs: 750 };

/** A server, a program with a Conn, and a network between them that fails. */
export interface FaultScenario {
  readonly proxy: FaultProxy;
  readonly peer: Peer;
  readonly away: Away;
}

export interface ScenarioOptions {
  /** Options of the Conn. */
  readonly options?: object;
  /** Whose functions the Conn gets, in users.mjs. */
  readonly user?: string;
  /** Options of the server. */
  readonly serverOptions?: ServerOptions;
  readonly server?: Server;
  readonly scheme?: "ws" | "wss";
  /** Default the proxy's. */
  readonly url?: string;
  readonly seed?: number;
  /** How the program is started. Default as a process of its own. */
  readonly start?: (url: string, options: object, user?: string) => Away | Promise<Away>;
  /** Prepares the network before the Conn first dials. */
  readonly before?: (scenario: Omit<FaultScenario, "away">) => unknown;
}

export async function startScenario(
  { onTestFinished }: TestContext,
  all: ScenarioOptions = {},
): Promise<FaultScenario> {
  const { options, user, serverOptions, server, scheme = "ws", url, seed = 1, start = away, before } = all;
  const server_ = await peer(serverOptions, server);
  const proxy = await faultProxy(server_.port, { seed });
  await before?.({ proxy, peer: server_ });
  const program = await start(
    url ?? `${scheme}://127.0.0.1:${proxy.port}/`,
    { heartbeat: HEARTBEAT, connectTimeoutMs: CONNECT_TIMEOUT_MS, ...options },
    user,
  );
  onTestFinished(async () => {
    program.kill();
    await proxy.close();
    await server_.close();
  });
  return { proxy, peer: server_, away: program };
}

export const until = (look: () => void): Promise<void> => vi.waitFor(look, { timeout: 10_000, interval: 10 });

/** Both sides talk, and go on until they have heard something new of each other. */
export async function talk({ peer, away }: FaultScenario): Promise<void> {
  const { length } = peer.heard;
  peer.talk();
  away.tell("talk");
  await hear({ peer }, length);
}

/** Something new has come from the program. */
export function hear({ peer }: Pick<FaultScenario, "peer">, length = peer.heard.length): Promise<void> {
  return until(() => expect(peer.heard.length).toBeGreaterThan(length + 20));
}

/** Both sides stop talking, and have heard all that the present connection carries. */
export async function hush({ peer, away }: FaultScenario): Promise<void> {
  away.tell("hush", { until: peer.hush() });
  const { sent } = await away.next("hushed");
  await until(() => expect(peer.heard.at(-1)).toBe(sent - 1));
}

interface Last {
  /** Whether the last connection was open and idle when it ended. */
  readonly well?: boolean;
  /** The errors that the program's listeners threw. */
  readonly uncaught?: readonly string[];
  /** How long a close frame that nobody takes is given. */
  readonly lingerMs?: number;
}

/**
 * The Conn has ended: all that was said of it is true, what was sent arrived or was lost with its connection, nothing is
 * left on either side or between, and the program ends by itself.
 */
export async function end(
  { peer, proxy, away }: FaultScenario,
  { well = false, uncaught = [], lingerMs = 0 }: Last = {},
): Promise<void> {
  const news = await away.next("left");
  const exit = away.exit();
  const { left, heard, took, at } = news;
  const closed = away.history.find(({ event }) => event === "closed") as News;
  expect(left, "nothing is left of the Conn").toEqual([]);
  expect(at - closed.at, "for how long something was").toBeLessThan(AFTERWARDS_MS + lingerMs);
  expect(await exit).toBeLessThan(EXIT_MS);
  await proxy.heal();
  // Resumed, because a paused socket would not report its end.
  peer.each((socket) => socket.resume());
  await until(() => {
    expect([proxy.connections, peer.sockets, peer.live.size], "no socket is left").toEqual([0, 0, 0]);
  });
  if (took.length > 0) {
    expectTruth(took, peer.heard, well);
    expectTruth(peer.took(), heard, well);
  }
  expectTold(away.history);
  const thrown = away.history.filter(({ event }) => event === "uncaught").map(({ message }) => message);
  expect([...new Set(thrown)].sort()).toEqual([...uncaught].sort());
}

/** Closes while open, which takes no time, and ends. */
export async function leave(scenario: FaultScenario): Promise<void> {
  const { away } = scenario;
  away.tell("close");
  expect(await away.next("closed")).toMatchObject({ code: 1000, by: "local", clean: true, unsent: [] });
  await end(scenario, { well: true });
}

/** Resets the line under a program whose listeners all throw: the Conn goes on, and every error is reported. */
export async function resetUnderThrowingListeners(scenario: FaultScenario): Promise<void> {
  const { away, proxy } = scenario;
  await talk(scenario);
  proxy.reset();
  await away.next("open", ({ reconnected }) => reconnected);
  await hear(scenario);
  await hush(scenario);
  away.tell("close");
  expect(await away.next("closed")).toMatchObject({ code: 1000, clean: true });
  await end(scenario, { well: true, uncaught: ["state", "open", "message", "disconnected", "waiting", "closed"] });
}

/** Checks that each end is emitted before the events that follow from it, with the right values. */
function expectTold(history: readonly News[]): void {
  const told = history.filter(({ event }) => ["open", "disconnected", "waiting", "closed"].includes(event));
  for (const [i, { event, by, code, clean, state }] of told.entries()) {
    const before = told[i - 1]?.event;
    if (event === "waiting") expect(before, "lost comes before waiting").toBe("disconnected");
    if (event === "closed" && by !== "local") expect(before, "lost comes before closed").toBe("disconnected");
    if (event === "disconnected") expect(before, "one end is told once").not.toBe("disconnected");
    if (event === "open") expect(state).toBe("open");
    if (event === "disconnected" || event === "closed")
      expect(clean && code === 1006, "1006 is never clean").toBe(false);
  }
}
