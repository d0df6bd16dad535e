import { NO_STATUS, NORMAL } from "../base/close-codes.ts";
import type { Payload } from "../base/payload.ts";
import type { Conn } from "../core/conn.ts";
import type { DisconnectInfo } from "../core/disconnect-info.ts";
import type { ConnOptions, Provider, Url } from "../core/options.ts";
import { parseTarget } from "../whatwg/arguments.ts";
import type { Link, LinkOwner } from "../whatwg/link.ts";
import { StandardWebSocket } from "../whatwg/web-socket.ts";
import { ConnLink } from "./conn-link.ts";
import { createConn, splitOptions, type WebSocketOptions } from "./web-socket.ts";

/** The options of a Conn, and which messages are taken while connecting. */
export interface ReconnectingWebSocketOptions
  extends Omit<WebSocketOptions, "drops">,
    Pick<ConnOptions<Payload>, "autoConnect"> {
  /** Default `"always"`: a message that is sent while there is no connection goes out on the next one. */
  readonly queue?: WebSocketOptions["queue"];
}

/**
 * A WebSocket that opens again after each drop, as reconnecting-websocket and partysocket do: a close event, CONNECTING,
 * and an open event once more. Bounds, backoff, heartbeat and the rest are those of a Conn.
 *
 * @example
 * ```ts
 * const socket = new ReconnectingWebSocket("wss://example.com/live");
 * socket.onmessage = ({ data }) => show(data);
 * socket.send("sent when the socket opens");
 * ```
 */
export class ReconnectingWebSocket extends StandardWebSocket {
  readonly #state: ReconnectingLink;

  /** @throws DOMException `SyntaxError` for a URL or subprotocols, ConnError `bad-option` or `unsupported` for options */
  constructor(
    url: Provider<Url>,
    protocols: Provider<string | string[]> = [],
    options: ReconnectingWebSocketOptions = {},
  ) {
    const names = typeof protocols === "function" ? [] : protocols;
    const target = typeof url === "function" ? url : parseTarget(url, names).url;
    let link: ReconnectingLink | undefined;
    super((owner) => {
      link = new ReconnectingLink(target, protocols, options, owner);
      return link;
    });
    this.#state = link as unknown as ReconnectingLink;
  }

  /** The Conn of the present connection. `reconnect()` after the end makes another one. */
  get conn(): Conn<Payload> {
    return this.#state.conn;
  }

  /** The number of the present retry: 0 for the first dial and after a connection that lasted. */
  get retryCount(): number {
    return this.#state.retryCount;
  }

  /** Leaves the connection, the attempt or the wait, and connects now. Works in every state, CLOSED too. */
  reconnect(): void {
    this.#state.reconnect();
  }
}

/** The links of one reconnecting socket: another one follows where `reconnect()` is called after the end. */
class ReconnectingLink implements Link {
  readonly #createConn: () => Conn<Payload>;
  readonly #queue: NonNullable<WebSocketOptions["queue"]>;
  readonly #owner: LinkOwner;
  #link: ConnLink;
  conn: Conn<Payload>;
  retryCount = 0;

  constructor(
    url: Provider<Url>,
    protocols: Provider<string | string[]>,
    options: ReconnectingWebSocketOptions,
    owner: LinkOwner,
  ) {
    const { shouldRetry = goesOn, ...rest } = splitOptions(options, { drops: 'it is always "reopen" here.' }).rest;
    this.#createConn = () => createConn(url, protocols, { ...rest, shouldRetry }, "reopen");
    this.#queue = options.queue ?? "always";
    this.#owner = owner;
    [this.conn, this.#link] = this.#begin();
  }

  get url(): string {
    return this.conn.url;
  }

  get unsentBytes(): number {
    return this.#link.unsentBytes;
  }

  get isQueueing(): boolean {
    return this.#link.isQueueing;
  }

  transmit(payload: Payload): void {
    this.#link.transmit(payload);
  }

  close(body: { readonly code: number | undefined; readonly reason: string }): void {
    this.#link.close(body);
  }

  reconnect(): void {
    const { state } = this.conn;
    const end = this.#link.leave();
    if (state === "closing" || state === "closed") [this.conn, this.#link] = this.#begin();
    else this.conn.reconnect();
    this.#owner.onDisconnected(end);
  }

  #begin(): [Conn<Payload>, ConnLink] {
    const conn = this.#createConn();
    const count = ({ attempt }: { readonly attempt: number }) => {
      this.retryCount = attempt;
    };
    conn.on("open", count);
    conn.on("waiting", count);
    this.retryCount = 0;
    return [conn, new ConnLink(conn, this.#owner, "reopen", this.#queue)];
  }
}

/** Whether to dial again: also after the server's 1000, because users of such a class close it themselves. */
function goesOn({ code, willRetry }: DisconnectInfo): boolean {
  return willRetry || code === NORMAL || code === NO_STATUS;
}
