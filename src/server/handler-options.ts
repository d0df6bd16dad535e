import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Payload } from "../base/payload.ts";
import type { Conn } from "../core/conn.ts";
import type { ConnOptions } from "../core/options.ts";
import type { SessionOptions } from "../resume/server/session-options.ts";
import type { AdmissionOptions } from "./admission.ts";
import type { Origins } from "./origin.ts";

/** A Conn on the server's side. Without resume it ends with its connection. */
export interface ServerConn<In = Payload, Out = In> extends Conn<In, Out> {
  /** The upgrade request of the connection. With resume, of the latest one. */
  readonly request: IncomingMessage;
}

/** Serves one client. Called once for each connection, or once for each session with resume. */
export type Serve<In, Out> = (conn: ServerConn<In, Out>, request: IncomingMessage) => unknown;

type ConnOptionNames =
  | "codec"
  | "maxPayloadBytes"
  | "maxSendBytes"
  | "outbox"
  | "inbox"
  | "heartbeat"
  | "closeTimeoutMs"
  | "setup";

/** Options of a server's Conns, and which clients may have one. */
export interface HandlerOptions<In = Payload, Out = In> extends Pick<ConnOptions<In, Out>, ConnOptionNames> {
  /** Subprotocols that the server speaks, best first. A client may offer any of them. Default none: none is selected. */
  readonly protocols?: readonly string[] | undefined;
  /** Foreign origins that may connect. Default none: the origin's host must be the host of the request. */
  readonly origins?: Origins | undefined;
  /**
   * Called with what the handler function throws or rejects with, and with what `origins` throws (without a Conn).
   * Default `console.error`.
   */
  readonly onError?: ((error: unknown, conn: ServerConn<In, Out> | undefined) => void) | undefined;
  /**
   * Sessions: a client with `resume()` gets its Conn back after a drop, and nothing is lost or doubled. The function
   * sees one Conn, which is `waiting` while its client is away. Default none. Clients without resume are served too.
   */
  readonly resume?: SessionOptions | undefined;
  /**
   * Connections per second that are accepted. Above it the server requests a delay, a different one for each client, so
   * that a crowd returns as a queue. Default no limit.
   */
  readonly admission?: AdmissionOptions | undefined;
  /** Passed to the server of `ws`, such as `{ perMessageDeflate: true }`. Default `{ perMessageDeflate: false }`. */
  readonly serverOptions?: object | undefined;
}

/** How all Conns end. */
export interface ShutdownOptions {
  /** Milliseconds for all Conns to flush and close; then they are abandoned. Default and limit: their `closeTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /**
   * Milliseconds over which the clients leave, so that they do not arrive elsewhere all at once: clients with resume are
   * asked to reconnect at a moment of their own, the others are closed one after another. Default 0: all at once.
   */
  readonly spreadMs?: number | undefined;
}

/** Serves upgrades: see {@link handler}. */
export interface Handler<In = Payload, Out = In> {
  /** Takes over an upgrade: the arguments of a server's `upgrade` event. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** The present Conns. */
  readonly conns: ReadonlySet<ServerConn<In, Out>>;
  /** Refuses new upgrades with 503, closes every Conn with 1001, and resolves when all have ended. */
  shutdown(options?: ShutdownOptions): Promise<void>;
}
