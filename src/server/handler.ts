import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { type WebSocket, WebSocketServer } from "ws";
import { GOING_AWAY, INTERNAL_ERROR, TRY_AGAIN_LATER } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { CONNECTION_SOURCE, Conn } from "../core/conn.ts";
import type { ConnectionSource } from "../core/connect-attempt.ts";
import type { CloseInfo } from "../core/events.ts";
import { type ConnOptions, resolveOptions } from "../core/options.ts";
import { speaksResume, withResume } from "../resume/protocol/subprotocol.ts";
import { type SessionOptions, SessionRegistry } from "../resume/server/session-registry.ts";
import { NodeSocket, type Tcp, type WsSocket } from "../socket/node-socket.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { allowsOrigin, type Origins } from "./origin.ts";
import { rejectUpgrade } from "./reject-upgrade.ts";

/** A Conn on the server's side. It ends when its connection does. */
export interface ServerConn<In = Payload, Out = In> extends Conn<In, Out> {
  /** The upgrade request that the connection came with. */
  readonly request: IncomingMessage;
}

type ConnOptionNames =
  | "codec"
  | "maxPayloadBytes"
  | "maxSendBytes"
  | "outbox"
  | "inbox"
  | "heartbeat"
  | "closeTimeoutMs"
  | "setup";

/** What a server's Conns are like, and who may have one. */
export interface HandlerOptions<In = Payload, Out = In> extends Pick<ConnOptions<In, Out>, ConnOptionNames> {
  /** Subprotocols that are spoken, best first for the client to offer any of. Default none: none is selected. */
  readonly protocols?: readonly string[] | undefined;
  /** Foreign origins that may connect. Default none: the origin's host must be the host of the request. */
  readonly origins?: Origins | undefined;
  /**
   * Hears what the handler function throws or rejects with, and what `origins` throws (then there is no Conn). Default
   * `console.error`.
   */
  readonly onError?: ((error: unknown, conn: ServerConn<In, Out> | undefined) => void) | undefined;
  /**
   * Sessions: a client with `resume()` finds its Conn again after a drop, and nothing is lost or doubled. The function
   * sees one Conn, `waiting` while its client is away. Default none. Clients without resume are served all the same.
   */
  readonly resume?: SessionOptions | undefined;
  /**
   * How many connections a second are accepted. Above that a client is told when to come back, each at its own moment, so
   * that a crowd returns as a queue. Default no limit.
   */
  readonly admission?: AdmissionOptions | undefined;
  /** Passed to the server of `ws`, such as `{ perMessageDeflate: true }`. Default `{ perMessageDeflate: false }`. */
  readonly serverOptions?: object | undefined;
}

/** How all Conns end. */
export interface ShutdownOptions {
  /** Milliseconds for all Conns to flush and say goodbye, then they are left. Default and limit their `closeTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /**
   * Milliseconds over which the clients leave, so that they do not arrive elsewhere all at once: those with resume are
   * asked to reconnect at a moment of their own, the others are closed one after another. Default 0: all at once.
   */
  readonly spreadMs?: number | undefined;
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
/** How often some of the clients leave, where they leave one after another. */
const SPREAD_STEP_MS = 20;

/**
 * Runs `serve` for each connection, as Go's `websocket.Handler` does. A promise that it returns ends the Conn when it
 * settles: with 1000, or with 1011 and `onError` if it rejects. Without one the Conn ends when the peer ends it.
 *
 * @throws ConnError `bad-option`
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
    resume,
    admission,
    ...rest
  } = options;
  const { maxPayloadBytes, closeTimeoutMs } = resolveOptions(rest);
  const conns = new Set<ServerConn<In, Out>>();
  /** Those whose clients can return. */
  const resumable = new WeakSet<ServerConn<In, Out>>();
  const admissionGate = admission && new Admission(admission);
  let isDown = false;
  const sockets = new WebSocketServer({
    perMessageDeflate: false,
    // Not in the types of ws yet.
    ...{ closeTimeout: closeTimeoutMs },
    ...serverOptions,
    noServer: true,
    clientTracking: false,
    maxPayload: maxPayloadBytes,
    // The adapter looks at what was decoded.
    skipUTF8Validation: true,
    // The default would echo the first name offered, known or not.
    handleProtocols: (offered) => select(offered) ?? false,
  });
  const sessions =
    resume &&
    new SessionRegistry(resume, maxPayloadBytes, ({ source, request, ...own }) => {
      const conn = open(urlOf(request) as string, request, source, own);
      resumable.add(conn);
      return conn as unknown as Conn<never, never>;
    });

  /** The subprotocol to speak: one of ours with resume where the client speaks it, else without. */
  function select(offered: ReadonlySet<string>): string | undefined {
    const ours = sessions ? [...withResume(protocols), ...withResume([])] : protocols;
    return ours.find((name) => offered.has(name));
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isDown) return rejectUpgrade(socket, 503);
    const url = urlOf(request);
    if (!url) return rejectUpgrade(socket, 400);
    let principal: string | undefined;
    try {
      if (!allowsOrigin(request, origins)) return rejectUpgrade(socket, 403);
      principal = sessions?.principalOf(request);
    } catch (error) {
      rejectUpgrade(socket, 500);
      return onError(error, undefined);
    }
    const slot = admissionGate?.ask();
    if (slot && request.headers.origin === undefined) {
      return rejectUpgrade(socket, 503, { "Retry-After": String(Math.ceil(slot.maxMs / 1000)) });
    }
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      if (slot) requestReturn(accepted, slot);
      else if (sessions && speaksResume(accepted.protocol)) sessions.greet(accepted, request, principal);
      else accept(accepted, url, request);
    });
  }

  function accept(accepted: WebSocket, url: string, request: IncomingMessage): void {
    // What came with the upgrade would be emitted before the Conn listens.
    accepted.pause();
    open(url, request, {
      retryReason: false,
      open(_target, { maxPayloadBytes: limit }, owner) {
        const socket = new NodeSocket(accepted as unknown as WsSocket, limit, owner, request.socket as Tcp);
        accepted.resume();
        queueMicrotask(() => owner.onOpen(accepted.protocol, accepted.extensions));
        return socket;
      },
    });
  }

  function open(
    url: string,
    request: IncomingMessage,
    dialer: ConnectionSource,
    own: object = {},
  ): ServerConn<In, Out> {
    const connOptions = { ...rest, ...own, lifecycle: false, [CONNECTION_SOURCE]: dialer } as ConnOptions<In, Out>;
    const conn = Object.assign(new Conn<In, Out>(url, connOptions), { request });
    conns.add(conn);
    conn.closed.then(() => conns.delete(conn));
    conn.on("open", () => run(conn, request), { once: true });
    return conn;
  }

  async function run(conn: ServerConn<In, Out>, request: IncomingMessage): Promise<void> {
    try {
      const done = serve(conn, request);
      if (typeof (done as PromiseLike<unknown> | undefined)?.then !== "function") return;
      await done;
      conn.close();
    } catch (error) {
      if (conn.state !== "closing" && conn.state !== "closed") conn.close(INTERNAL_ERROR);
      else if (isEndOfConn(await conn.closed, error)) return;
      onError(error, conn);
    }
  }

  /** Lets the clients leave one after another within this time. */
  async function spread(spreadMs: number): Promise<void> {
    sessions?.requestMove(spreadMs);
    const others = [...conns].filter((conn) => !resumable.has(conn));
    const start = performance.now();
    let left = 0;
    for (let part = 0; part < 1 && conns.size > 0; ) {
      await setTimeout(Math.min(SPREAD_STEP_MS, spreadMs));
      // By the clock: a process this busy has late timers, and whoever stops it has given it so much time.
      part = Math.min(1, (performance.now() - start) / spreadMs);
      const due = Math.ceil(others.length * part);
      for (const conn of others.slice(left, due)) conn.close(GOING_AWAY);
      left = due;
    }
  }

  return {
    upgrade,
    conns,
    async shutdown({ timeoutMs, spreadMs = 0 } = {}) {
      isDown = true;
      if (spreadMs > 0) await spread(spreadMs);
      sessions?.clear();
      const signal = Number.isFinite(timeoutMs) ? AbortSignal.timeout(timeoutMs as number) : undefined;
      // Node takes more than ten listeners for a leak.
      if (signal) setMaxListeners(0, signal);
      await Promise.all(Array.from(conns, (conn) => conn.close(GOING_AWAY, "", { signal })));
    },
  };
}

/** Tells a client when to come back. A page can read a close reason, and no HTTP status: so do all that send an Origin. */
function requestReturn(
  accepted: WebSocket,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
): void {
  accepted.on("error", () => {});
  accepted.close(TRY_AGAIN_LATER, `retry=${minMs}-${maxMs}`);
}

/** Whether `error` only says that the Conn has ended: news to the function, and none to the server. */
function isEndOfConn(end: CloseInfo, error: unknown): boolean {
  return error instanceof ConnError && error.code === "closed" && (error === end.error || error.cause === end.error);
}

/** Where the client wanted to go, in its own words; `undefined` where they make no URL. */
function urlOf({ headers, url }: IncomingMessage): string | undefined {
  const text = `ws://${headers.host}${url}`.replace(/#.*/s, "");
  return URL.canParse(text) ? text : undefined;
}
