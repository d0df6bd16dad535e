import { ConnError, fatal } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { Conn } from "../core/conn.ts";
import type { ConnOptions, Provider, Url } from "../core/options.ts";
import { parseTarget } from "../whatwg/arguments.ts";
import { StandardWebSocket } from "../whatwg/web-socket.ts";
import { ConnLink, type Drops, type QueueMode } from "./conn-link.ts";

/** The options of a Conn, and those of the socket over it. */
export interface WebSocketOptions extends Omit<ConnOptions<Payload>, "codec"> {
  /** The effect of a drop on the socket: see {@link Drops}. `"hide"` needs `resume`. Default `"close"`. */
  readonly drops?: Drops | undefined;
  /** Which messages are taken while connecting: see {@link QueueMode}. Default `"none"`. */
  readonly queue?: QueueMode | undefined;
}

/** The class of {@link webSocket}, where the platform's types name none. */
export type StandardWebSocketClass = {
  new (url: string | URL, protocols?: string | string[]): StandardWebSocket;
} & Pick<typeof StandardWebSocket, "CONNECTING" | "OPEN" | "CLOSING" | "CLOSED" | "prototype">;

/** The type of the platform's WebSocket class, where its types name one, so that libraries take ours. */
export type WebSocketClass = typeof globalThis extends {
  /** The platform's class. */
  readonly WebSocket: infer Platform;
}
  ? Platform
  : StandardWebSocketClass;

const DROPS: readonly unknown[] = ["close", "reopen", "hide"];
const QUEUES: readonly unknown[] = ["none", "first", "always"];

/**
 * Makes a WebSocket class for a library that takes one: WHATWG to the letter, over a Conn, so that a dead connection ends
 * at the heartbeat's time and not after the platform's 20 to 60 s.
 *
 * @throws ConnError `bad-option`, `unsupported`
 */
export function webSocket(options: WebSocketOptions = {}): WebSocketClass {
  checkOptions(options);
  const { drops = "close", queue = "none", ...rest } = options;
  class WebSocket extends StandardWebSocket {
    constructor(url: string | URL, protocols: string | string[] = []) {
      super(parseTarget(url, protocols), (target, owner) => {
        const conn = createConn(target.url, target.protocols, rest, drops);
        return new ConnLink(conn, owner, drops, queue);
      });
    }
  }
  return WebSocket as unknown as WebSocketClass;
}

/** Creates the Conn of a socket: one that goes on after a drop only as far as the socket does. */
export function createConn(
  url: Provider<Url>,
  protocols: Provider<string | readonly string[]>,
  { shouldRetry, setup, ...options }: Omit<ConnOptions<Payload>, "codec">,
  drops: Drops,
): Conn<Payload> {
  let hasOpened = false;
  const isOffered = typeof protocols === "function" || protocols.length > 0;
  const conn = new Conn<Payload>(url, {
    ...options,
    ...(isOffered && { protocols }),
    shouldRetry(info) {
      if (drops === "close") return false;
      // Hosts dial again themselves where they were never open.
      if (drops === "hide" && !hasOpened) return false;
      return shouldRetry ? shouldRetry(info) : info.willRetry;
    },
    ...((setup || drops === "hide") && {
      // Not run where a session is resumed. Nothing that the host said in the last session may reach a new one.
      setup(context) {
        if (drops === "hide" && hasOpened) throw fatal("The session was lost, and the socket with it.");
        return setup?.(context);
      },
    }),
  });
  conn.on("open", () => {
    hasOpened = true;
  });
  return conn;
}

/** Checks all options where they are given, rather than where a library makes the first socket. */
export function checkOptions({ drops = "close", queue = "none", ...rest }: WebSocketOptions): void {
  if (!DROPS.includes(drops)) throw badOption("drops", '"close", "reopen" or "hide"', drops);
  if (!QUEUES.includes(queue)) throw badOption("queue", '"none", "first" or "always"', queue);
  if (drops === "hide" && !rest.resume) {
    throw new ConnError("bad-option", 'drops: "hide" needs resume: without a session a drop can\'t be hidden.');
  }
  if ("codec" in rest) {
    throw new ConnError(
      "bad-option",
      "codec: a WebSocket carries strings and bytes. Use a Conn for messages of a codec.",
    );
  }
  // Closed before it dials, or listens to the signal.
  new Conn<Payload>("ws://localhost", rest).close();
}

function badOption(name: string, range: string, value: unknown): ConnError {
  return new ConnError("bad-option", `${name} must be ${range}; got ${String(value)}.`);
}
