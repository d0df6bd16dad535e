import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { failOption } from "../base/errors.ts";
import { type OptionRules, rule, takeOptions } from "../base/option-rules.ts";
import { type Conditions, FaultPipe } from "./fault-pipe.ts";
import { seededRandom } from "./seeded-random.ts";

/** The two ends that a proxy is between. */
export type Side = "client" | "server";

/**
 * A TCP proxy on loopback, between any client and any server, that does to connections what networks and gateways do.
 * Commands that choose at random draw from one seed, so that a failing run can be repeated.
 */
export interface FaultProxy {
  /** The TCP port that clients are to dial, on the loopback of IPv4. */
  readonly port: number;
  /** The number of connections now, those without a server included. */
  readonly connections: number;
  /** When each client was accepted, by `performance.now()`. */
  readonly connectTimes: readonly number[];
  /** Passes each byte on `ms` milliseconds later, from now on. */
  delay(ms: number): void;
  /** Passes on no more than `bytesPerSecond`, from now on, on each connection and in each direction. */
  throttle(bytesPerSecond: number): void;
  /** Ends every connection with a FIN, both ways. */
  cut(): void;
  /** Ends every connection with a FIN, both ways, in the middle of the next frame that goes to `side`. */
  cutInFrame(side: Side): void;
  /** Ends every connection with an RST, both ways. */
  reset(): void;
  /**
   * Reads nothing and passes nothing on, and keeps both sockets open: bytes and ends are lost. New connections fare the
   * same. With a side, only that side receives nothing. Default both sides.
   */
  blackhole(side?: Side): void;
  /** Resets every connection to `gone`, as if its machine had lost it; the other side receives nothing, not even the end. */
  halfOpen(gone: Side): void;
  /** Sends `side` bytes that its peer did not send: those given, or that number of random ones. Default 64 random bytes. */
  inject(side: Side, garbage?: Uint8Array | number): void;
  /** Accepts new connections, and never answers them. */
  hang(): void;
  /** Answers the next `times` upgrades itself, with an HTTP status and headers. Default 1 time and no headers. */
  respond(status: number, headers?: Readonly<Record<string, string>>, times?: number): void;
  /** Refuses new connections. Open connections stay. */
  refuse(): Promise<void>;
  /**
   * Ends all faults. A connection that lost bytes in a black hole passes nothing on until one side ends it; the other side
   * then receives that end.
   */
  heal(): Promise<void>;
  /** Ends all connections and frees the port. */
  close(): Promise<void>;
}

/** Where a proxy connects to, and the seed of its random choices. */
export interface FaultProxyOptions {
  /** Where the server is. Default `127.0.0.1`. */
  readonly host?: string;
  /** The seed of all random choices: the same seed gives the same run. Default 1. */
  readonly seed?: number;
}

/** One connection: the sockets of the client and of the server, and the pipe towards each. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly to: Readonly<Record<Side, FaultPipe>>;
}

const RULES: OptionRules<{ host: string; seed: number }> = {
  host: rule("a string", (value) => typeof value === "string", "127.0.0.1"),
  seed: rule("a number", Number.isFinite, 1),
};
const SIDES: readonly Side[] = ["client", "server"];
const GARBAGE_BYTES = 64;
const FINE = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY } as const;

/**
 * Creates a proxy to `port`, by default on loopback, which causes no fault before a command.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * ```ts
 * const proxy = await faultProxy(8080);
 * const conn = new Conn(`ws://127.0.0.1:${proxy.port}/live`);
 * await conn.ready();
 * proxy.reset();
 * ```
 */
export async function faultProxy(port: number, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const { host, seed } = takeOptions("", RULES, options, failOption);
  const random = seededRandom(seed);
  const conditions: Conditions = { ...FINE };
  const pairs = new Set<Pair>();
  /** Clients without a server behind them. */
  const unpaired = new Set<Socket>();
  const connectTimes: number[] = [];
  /** Sides that receive nothing. */
  let blackholed: readonly Side[] = [];
  let isHanging = false;
  let answers: string[] = [];

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    connectTimes.push(performance.now());
    const answer = isHanging ? "" : answers.shift();
    if (answer === undefined) pairWithServer(client);
    else holdAlone(client, answer);
  });

  function pairWithServer(client: Socket): void {
    const server = connect({ port, host, allowHalfOpen: true, noDelay: true });
    const to = { client: new FaultPipe(server, client, conditions), server: new FaultPipe(client, server, conditions) };
    const pair: Pair = { client, server, to };
    pairs.add(pair);
    for (const socket of [client, server]) {
      socket.on("close", () => client.destroyed && server.destroyed && pairs.delete(pair));
    }
    for (const side of blackholed) to[side].blackhole();
  }

  /** Holds a client without a server, and sends it `answer`, if there is one, and the end. */
  function holdAlone(client: Socket, answer: string): void {
    unpaired.add(client);
    client.on("error", () => {});
    client.on("close", () => unpaired.delete(client));
    client.on("end", () => client.end());
    client.on("data", () => answer && client.end(answer));
  }

  const each = (act: (pair: Pair) => void) => {
    for (const pair of pairs) act(pair);
  };
  const listen = (at: number) =>
    new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(at, "127.0.0.1", () => {
        listener.off("error", reject);
        resolve();
      });
    });
  /** Frees the port. Not awaited, because the callback of close() waits for connections too. */
  const stopListening = () => {
    if (listener.listening) listener.close();
  };

  await listen(0);
  const own = (listener.address() as AddressInfo).port;
  return {
    port: own,
    connectTimes,
    get connections() {
      return pairs.size + unpaired.size;
    },
    delay(ms) {
      conditions.delayMs = ms;
    },
    throttle(bytesPerSecond) {
      conditions.bytesPerSecond = bytesPerSecond;
    },
    cut: () => each((pair) => SIDES.map((side) => pair[side].end())),
    cutInFrame: (side) => each(({ to }) => to[side].cutInFrame((size) => 1 + Math.floor(random() * (size - 1)))),
    reset: () => each((pair) => SIDES.map((side) => pair[side].resetAndDestroy())),
    blackhole(side) {
      blackholed = side ? [side] : SIDES;
      for (const each of blackholed) for (const { to } of pairs) to[each].blackhole();
    },
    halfOpen(gone) {
      each((pair) => {
        for (const side of SIDES) pair.to[side].blackhole();
        pair[gone].resetAndDestroy();
      });
    },
    inject(side, garbage = GARBAGE_BYTES) {
      const bytes =
        typeof garbage === "number" ? Buffer.from(Array.from({ length: garbage }, () => random() * 256)) : garbage;
      each(({ to }) => to[side].inject(Buffer.from(bytes)));
    },
    hang() {
      isHanging = true;
    },
    respond(status, headers = {}, times = 1) {
      const all = { Connection: "close", "Content-Length": "0", ...headers };
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
      answers = Array<string>(times).fill(`HTTP/1.1 ${status} Answered\r\n${lines.join("")}\r\n`);
    },
    async refuse() {
      stopListening();
    },
    async heal() {
      Object.assign(conditions, FINE);
      blackholed = [];
      isHanging = false;
      answers = [];
      each(({ to }) => SIDES.map((side) => to[side].heal()));
      if (!listener.listening) await listen(own);
    },
    async close() {
      stopListening();
      for (const socket of unpaired) socket.destroy();
      each((pair) => SIDES.map((side) => pair[side].destroy()));
    },
  };
}
