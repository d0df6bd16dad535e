import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Dialer } from "../attempt.ts";
import { Conn, DIALER } from "../conn.ts";
import { ConnError } from "../errors.ts";
import type { CloseInfo } from "../events.ts";
import { type ConnOptions, settle } from "../options.ts";
import type { Payload } from "../payload.ts";
import { NodeSocket, type Tcp, type WsSocket } from "../socket-node.ts";
import { allowsOrigin, type Origins } from "./origin.ts";
import { refuse } from "./refusal.ts";

/** A Conn on the server's side. It ends when its connection does. */
export interface ServerConn<In = Payload, Out = In> extends Conn<In, Out> {
  /** The upgrade request that the connection came with. */
  readonly request: IncomingMessage;
}

type OfConn =
  | "codec"
  | "maxPayloadBytes"
  | "maxSendBytes"
  | "outbox"
  | "inbox"
  | "heartbeat"
  | "closeTimeoutMs"
  | "setup";

export interface HandlerOptions<In = Payload, Out = In> extends Pick<ConnOptions<In, Out>, OfConn> {
  /** Subprotocols that are spoken, best first for the client to offer any of. Default none: none is selected. */
  readonly protocols?: readonly string[] | undefined;
  /** Foreign origins that may connect. Default none: the origin's host must be the host of the request. */
  readonly origins?: Origins | undefined;
  /**
   * Hears what the handler function throws or rejects with, and what `origins` throws (then there is no Conn). Default
   * `console.error`.
   */
  readonly onError?: ((error: unknown, conn: ServerConn<In, Out> | undefined) => void) | undefined;
  /** Passed to the server of `ws`, such as `{ perMessageDeflate: true }`. Default `{ perMessageDeflate: false }`. */
  readonly serverOptions?: object | undefined;
}

export interface ShutdownOptions {
  /** Milliseconds for all Conns to flush and say goodbye, then they are left. Default and limit their `closeTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/** What serves upgrades: see {@link handler}. */
export interface Handler<In = Payload, Out = In> {
  /** Takes over an upgrade: the arguments of a server's `upgrade` event. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Conns that are there now. */
  readonly conns: ReadonlySet<ServerConn<In, Out>>;
  /** Refuses new upgrades with 503, closes every Conn with 1001, and resolves when all have ended. */
  shutdown(options?: ShutdownOptions): Promise<void>;
}

/** Told to clients when the server goes away (RFC 6455, section 7.4.1). */
const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;

/**
 * Runs `serve` for each connection, as Go's `websocket.Handler` does. A promise that it returns ends the Conn when it
 * settles: with 1000, or with 1011 and `onError` if it rejects. Without one the Conn ends when the peer ends it.
 *
 * @throws {@link ConnError} `bad-option`
 */
export function handler<In = Payload, Out = In>(
  serve: (conn: ServerConn<In, Out>, request: IncomingMessage) => unknown,
  options: HandlerOptions<In, Out> = {},
): Handler<In, Out> {
  const {
    protocols = [],
    origins,
    onError = (error: unknown) => console.error(error),
    serverOptions,
    ...rest
  } = options;
  const { maxPayloadBytes, closeTimeoutMs } = settle(rest);
  const conns = new Set<ServerConn<In, Out>>();
  let isDown = false;
  const sockets = new WebSocketServer({
    perMessageDeflate: false,
    // Not in the types of ws yet.
    ...{ closeTimeout: closeTimeoutMs },
    ...serverOptions,
    noServer: true,
    clientTracking: false,
    maxPayload: maxPayloadBytes,
    // The default would echo the first name offered, known or not.
    handleProtocols: (offered) => protocols.find((name) => offered.has(name)) ?? false,
  });

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isDown) return refuse(socket, 503);
    const url = urlOf(request);
    if (!url) return refuse(socket, 400);
    try {
      if (!allowsOrigin(request, origins)) return refuse(socket, 403);
    } catch (error) {
      refuse(socket, 500);
      return onError(error, undefined);
    }
    sockets.handleUpgrade(request, socket, head, (accepted) => accept(accepted, url, request));
  }

  function accept(accepted: WebSocket, url: string, request: IncomingMessage): void {
    // What came with the upgrade would be emitted before the Conn listens.
    accepted.pause();
    const dialer: Dialer = {
      redials: false,
      open(_url, { maxPayloadBytes: limit }, owner) {
        const socket = new NodeSocket(accepted as unknown as WsSocket, limit, owner, request.socket as Tcp);
        accepted.resume();
        queueMicrotask(() => owner.opened(accepted.protocol, accepted.extensions));
        return socket;
      },
    };
    const connOptions = { ...rest, lifecycle: false, [DIALER]: dialer } as ConnOptions<In, Out>;
    const conn = Object.assign(new Conn<In, Out>(url, connOptions), { request });
    conns.add(conn);
    conn.closed.then(() => conns.delete(conn));
    conn.on("open", () => run(conn, request), { once: true });
  }

  async function run(conn: ServerConn<In, Out>, request: IncomingMessage): Promise<void> {
    try {
      const done = serve(conn, request);
      if (typeof (done as PromiseLike<unknown> | undefined)?.then !== "function") return;
      await done;
      conn.close();
    } catch (error) {
      if (conn.state === "open") conn.close(INTERNAL_ERROR);
      else if (isEndOf(await conn.closed, error)) return;
      onError(error, conn);
    }
  }

  return {
    upgrade,
    conns,
    async shutdown({ timeoutMs } = {}) {
      isDown = true;
      const signal = Number.isFinite(timeoutMs) ? AbortSignal.timeout(timeoutMs as number) : undefined;
      await Promise.all(Array.from(conns, (conn) => conn.close(GOING_AWAY, "", { signal })));
    },
  };
}

/** Whether `error` only says that the Conn has ended: news to the function, and none to the server. */
function isEndOf(end: CloseInfo, error: unknown): boolean {
  return error instanceof ConnError && error.code === "closed" && (error === end.error || error.cause === end.error);
}

/** Where the client wanted to go, in its own words; `undefined` where they make no URL. */
function urlOf({ headers, url }: IncomingMessage): string | undefined {
  const text = `ws://${headers.host}${url}`.replace(/#.*/s, "");
  return URL.canParse(text) ? text : undefined;
}
