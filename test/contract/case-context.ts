import type * as Tautline from "../../src/index.ts";
import type {
  Conn,
  ConnEvents,
  ConnOptions,
  ConnOptionsWithCodec,
  Payload,
  WebSocketConstructor,
} from "../../src/index.ts";
import type { resume } from "../../src/resume/client/index.ts";
import { CASE_MS, SLACK_MS, show, until, within } from "./assert.ts";

/** Where the contract server is, each as host and port. */
export interface Urls {
  readonly base: string;
  /** Takes TCP connections and never answers. */
  readonly never: string;
  /** No server listens there. */
  readonly refused: string;
  /** Whether all of them speak TLS. */
  readonly secure: boolean;
}

/** Differences between platforms: each member is a row of docs/reference/platforms.md, and the cases that read it show it. */
export interface Platform {
  /** Whether upgrades can be made with headers, and connections can be asked with protocol pings. */
  readonly isNode: boolean;
  /** Whether the platform tells the HTTP status of a refused upgrade. */
  readonly knowsStatus: boolean;
  /** The Origin of an upgrade, where it carries one. */
  readonly origin?: string | undefined;
  /** Codes of close frames that the platform tells as 1006. */
  readonly hides?: readonly number[] | undefined;
  /** Whether an end is called unclean where data was on its way to a server that closed. */
  readonly unclean?: boolean | undefined;
  /** Whether a byte order mark at the start of a text is lost on the way in. */
  readonly eatsBom?: boolean | undefined;
  /** Whether an upgrade that is answered with 401 is sent once more without a word. */
  readonly repeatsOn401?: boolean | undefined;
  /** Whether a connection opens whose server selected none of the protocols that were offered. */
  readonly opensUnselected?: boolean | undefined;
  /** Whether `bufferedAmount` stands still, so that no send waits for the network. */
  readonly hidesBuffer?: boolean | undefined;
}

export interface Env extends Urls, Platform {
  /** All that `tautline` exports, as built, and what `tautline/resume` does. */
  readonly tautline: typeof Tautline;
  readonly resume: typeof resume;
  /** Given to every Conn. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /** Asks the other end, where HTTP does not lead there. */
  ask?(url: string): Promise<Log>;
  /** Milliseconds that a case has at most. Default `CASE_MS`. */
  readonly caseMs?: number;
}

/**
 * Chromium may hold back each of two dials for 5 s, where many of the page are pending or have failed in the last minutes
 * (services/network/websocket_throttler.cc).
 */
export const CHROMIUM_CASE_MS = CASE_MS + 10_000;

export interface Case {
  /** A fact that could be false. */
  readonly name: string;
  run(env: Env): Promise<void>;
}

/** The contract server's record of the connections with one id. */
export interface Log {
  readonly live: number;
  upgrades: number;
  opened: number;
  /** Short text messages that came in, in order. */
  readonly texts: string[];
  /** Bytes of all messages that came in. */
  bytes: number;
  readonly closes: { readonly code: number; readonly reason: string }[];
  /** The headers of the last upgrade. */
  headers: Readonly<Record<string, string>>;
}

type Query = Readonly<Record<string, string | number>>;

/** One case's part of the world. */
export class CaseContext {
  readonly env: Env;
  readonly #id = `${Date.now()}-${Math.random()}`;
  readonly #conns: Conn<unknown, never>[] = [];

  constructor(env: Env) {
    this.env = env;
  }

  get tautline(): typeof Tautline {
    return this.env.tautline;
  }

  url(path: string, query: Query = {}, host = this.env.base): string {
    const entries = Object.entries({ id: this.#id, ...query }).map(([name, value]) => [name, String(value)]);
    return `${this.env.secure ? "wss" : "ws"}://${host}${path}?${new URLSearchParams(entries)}`;
  }

  /** A Conn that retries as soon as it may. */
  conn<In = Payload, Out = In>(
    url: ConstructorParameters<typeof Conn>[0],
    options: ConnOptions<In, Out> = {},
  ): Conn<In, Out> {
    const conn = new this.tautline.Conn<In, Out>(url, {
      backoff: () => 0,
      WebSocket: this.env.WebSocket,
      ...options,
    } as ConnOptionsWithCodec<In, Out>);
    this.#conns.push(conn as unknown as Conn<unknown, never>);
    return conn;
  }

  /** The same, open. */
  async open<In = Payload, Out = In>(
    path: string,
    query: Query = {},
    options: ConnOptions<In, Out> = {},
  ): Promise<Conn<In, Out>> {
    const conn = this.conn(this.url(path, query), options);
    await conn.ready();
    return conn;
  }

  /** Fetches the server's record; `drop` and `read` are done to this case's connections before. */
  async log(act: "log" | "drop" | "read" = "log"): Promise<Log> {
    if (this.env.ask) return this.env.ask(this.url(`/${act}`));
    const response = await fetch(this.url(`/${act}`).replace("ws", "http"));
    return response.json() as Promise<Log>;
  }

  /** The server's log as soon as `isThere` says so. */
  async logged(what: string, isThere: (log: Log) => boolean): Promise<Log> {
    let log = await this.log();
    const look = async () => {
      log = await this.log();
      return isThere(log);
    };
    await until(what, look, (this.env.caseMs ?? CASE_MS) - SLACK_MS).catch((error) => {
      throw new Error(`${error.message} ${show(log)}`);
    });
    return log;
  }

  leave(): void {
    for (const conn of this.#conns) conn.close();
  }
}

export function define(name: string, act: (context: CaseContext) => Promise<void>): Case {
  return {
    name,
    async run(env) {
      const context = new CaseContext(env);
      try {
        await within(env.caseMs ?? CASE_MS, "The case has not ended", act(context));
      } finally {
        context.leave();
      }
    },
  };
}

/** The same, once per row. */
export function each<Row>(
  rows: readonly Row[],
  name: (row: Row) => string,
  act: (context: CaseContext, row: Row) => Promise<void>,
): Case[] {
  return rows.map((row) => define(name(row), (context) => act(context, row)));
}

/** Waits for the next event `name` of `conn`. */
export function next<In, Out, Name extends keyof ConnEvents<In>>(
  conn: Conn<In, Out>,
  name: Name,
): Promise<ConnEvents<In>[Name]> {
  const promise = new Promise<ConnEvents<In>[Name]>((resolve) => {
    conn.on(name, resolve, { once: true });
  });
  const timely = within(CASE_MS - SLACK_MS, `No ${name}`, promise);
  // It may be awaited late, or never where the case has failed before.
  timely.catch(() => {});
  return timely;
}

/** The code of the ConnError that `promise` rejects with. */
export async function rejection(context: CaseContext, promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    (value) => new Error(`Resolved with ${show(value)}.`),
    (reason: unknown) => reason,
  );
  if (error instanceof context.tautline.ConnError) return error.code;
  throw error;
}

/** The code of the ConnError that `act` throws. */
export function thrown(context: CaseContext, act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof context.tautline.ConnError) return error.code;
    throw error;
  }
  throw new Error("Nothing was thrown.");
}

export async function received<In, Out>(conn: Conn<In, Out>, count: number): Promise<In[]> {
  const values: In[] = [];
  while (values.length < count) values.push(await conn.receive());
  return values;
}

export const numbered = (count: number) => Array.from({ length: count }, (_, i) => `message ${i}`);
