import type { Random } from "./random.ts";

/** The waits of another client by default, as its code has them. */
export interface Formula {
  readonly name: string;
  /**
   * The wait before retry `n`, counted from 0, in milliseconds. `page` is what a page draws when it loads: from 0 to 1,
   * another for each client, evenly spread.
   */
  readonly wait: (n: number, random: Random, page: number) => number;
  /** It gives up after so many retries in a row. Default never. */
  readonly retries?: number;
  /** Whether a connection has to last before the count starts again. Default: any that opens is enough. */
  readonly needsStable?: boolean;
}

const S = 1_000;
const uniform = (random: Random, min: number, max: number) => min + random() * (max - min);
const listed = (waits: readonly number[], then = 0) => ({ wait: (n: number) => waits[n] ?? then });

/** The npm versions of November 2026. */
export const OTHERS: readonly Formula[] = [
  {
    name: "reconnecting-websocket 4.4.0",
    wait: (n, _random, page) => Math.min(10 * S, (1 + 4 * page) * S * 1.3 ** n),
    needsStable: true,
  },
  { name: "partysocket 1.3.0", wait: (n) => Math.min(10 * S, 3 * S * 1.3 ** n), needsStable: true },
  { name: "sockette 2.0.6, websocket-ts 2.3.0", wait: () => 1 * S },
  { name: "robust-websocket 1.0.0", ...listed([0, 3 * S, 10 * S]), retries: 3 },
  // Jitter comes before the cap: from the fifth retry on there is none.
  {
    name: "socket.io-client 4.8.4",
    wait: (n, random) => Math.min(5 * S, 1 * S * 2 ** n * uniform(random, 0.5, 1.5)),
  },
  {
    name: "centrifuge 5.8.0",
    wait: (n, random) => Math.min(20 * S, 0.5 * S + uniform(random, 0, Math.min(20 * S, 0.5 * S * 2 ** n))),
  },
  { name: "@microsoft/signalr", ...listed([0, 2 * S, 10 * S, 30 * S]), retries: 4 },
  { name: "graphql-ws 6.4.2", wait: (n, random) => 2 ** n * S + uniform(random, 0.3 * S, 3 * S), retries: 5 },
  { name: "phoenix 1.8.16", ...listed([10, 50, 100, 150, 200, 250, 500, 1 * S, 2 * S], 5 * S) },
];
