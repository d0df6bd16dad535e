import { badOption, failOption, fatal } from "../base/errors.ts";
import { isObject, type OptionRules, takeOptions, wordRule } from "../base/option-rules.ts";
import type { Payload } from "../base/payload.ts";
import { Conn } from "../core/conn.ts";
import type { ConnOptions, Provider, Url } from "../core/options.ts";
import { parseTarget } from "../whatwg/arguments.ts";
import { StandardWebSocket } from "../whatwg/web-socket.ts";
import { CARRIES, ConnLink, type Drops, type QueueMode } from "./conn-link.ts";

/** The options of a Conn without those that a socket has no use for, and those of the socket over it. */
export interface WebSocketOptions extends Omit<ConnOptions<Payload>, "codec" | "protocols" | "autoConnect"> {
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

/** The options of the socket itself. */
interface OwnOptions {
  readonly drops: Drops;
  readonly queue: QueueMode;
}

const RULES: OptionRules<OwnOptions> = {
  drops: wordRule("close", "reopen", "hide"),
  queue: wordRule("none", "first", "always"),
};

/**
 * Creates a WebSocket class, over a Conn and true to WHATWG, for a library that takes one. A dead connection ends when the
 * heartbeat notices it, and not after the platform's 20 to 60 s.
 *
 * @throws ConnError `bad-option`, `unsupported`
 *
 * @example
 * ```ts
 * const client = createClient({ url: "wss://example.com/graphql", webSocketImpl: webSocket() });
 * ```
 */
export function webSocket(options: WebSocketOptions = {}): WebSocketClass {
  const { drops, queue, rest } = splitOptions(options, { autoConnect: "the constructor connects." });
  if (drops === "hide" && !rest.resume) {
    throw failOption('drops: "hide" needs resume: without a session a drop can\'t be hidden.');
  }
  class WebSocket extends StandardWebSocket {
    constructor(url: string | URL, protocols: string | string[] = []) {
      const target = parseTarget(url, protocols);
      super((owner) => new ConnLink(createConn(target.url, target.protocols, rest, drops), owner, drops, queue));
    }
  }
  return WebSocket as unknown as WebSocketClass;
}

/** Creates the Conn of a socket. After a drop the Conn reconnects only where the socket does. */
export function createConn(
  url: Provider<Url>,
  protocols: Provider<string | readonly string[]>,
  { shouldRetry, setup, ...options }: Omit<ConnOptions<Payload>, "codec">,
  drops: Drops,
): Conn<Payload> {
  const hasOpened = () => conn.stats.opens > 0;
  const isOffered = typeof protocols === "function" || protocols.length > 0;
  const conn = new Conn<Payload>(url, {
    ...options,
    ...(isOffered && { protocols }),
    shouldRetry(info) {
      // Hosts dial again themselves where they were never open.
      if (drops === "close" || (drops === "hide" && !hasOpened())) return false;
      return shouldRetry ? shouldRetry(info) : info.willRetry;
    },
    ...((setup || drops === "hide") && {
      // Not run where a session is resumed. Nothing that the host said in the last session may reach a new one.
      setup(context) {
        if (drops === "hide" && hasOpened()) throw fatal("The session was lost, and the socket with it.");
        return setup?.(context);
      },
    }),
  });
  return conn;
}

/**
 * Checks all options, and separates those of the socket from those of its Conn. `refused` are more names that are refused,
 * and why.
 *
 * @throws ConnError `bad-option`, `unsupported`
 */
export function splitOptions(
  options: WebSocketOptions,
  refused: object,
): OwnOptions & { readonly rest: Omit<WebSocketOptions, "drops" | "queue"> } {
  if (!isObject(options)) throw badOption("options", "an object", options);
  for (const [name, why] of Object.entries({
    codec: CARRIES,
    protocols: "give them to the constructor.",
    ...refused,
  })) {
    if (options[name as never] !== undefined) throw failOption(`${name}: ${why}`);
  }
  const { drops, queue, ...rest } = options;
  // Checks the rest where it is given, rather than where a library makes the first socket. Ends before it dials.
  new Conn<Payload>("ws://localhost", rest).close();
  return { ...takeOptions("", RULES, { drops, queue }, failOption), rest };
}
