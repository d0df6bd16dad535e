import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { badOption, type ConnError, failOption } from "../base/errors.ts";
import {
  checkNames,
  functionRule,
  isObject,
  type OptionRule,
  rule,
  takeOptions,
  timeRule,
} from "../base/option-rules.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOptions } from "../base/send-options.ts";
import type { CodecLike } from "../codec/codec.ts";
import { parseProtocols } from "../core/arguments.ts";
import type { Conn } from "../core/conn.ts";
import type { ConnOptions } from "../core/options.ts";
import type { SessionOptions } from "../resume/server/session-options.ts";
import type { AdmissionOptions } from "./admission.ts";
import type { Authenticate } from "./authenticate.ts";
import { type AllowOrigin, createOriginCheck, type Origins } from "./origin.ts";

/** A Conn on the server's side. Without resume it ends with its connection. */
export interface ServerConn<In = Payload, Out = In> extends Conn<In, Out> {
  /** The upgrade request of the connection. With resume, of the latest one. */
  readonly request: IncomingMessage;
  /** The client's identity, as `authenticate` returned it. `undefined` for an anonymous client. */
  readonly principal: string | undefined;
  /** The codec of the handler, the same object for all its Conns: a message for many of them is marshalled once. */
  readonly codec: CodecLike<In, Out>;
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
   * Returns the client's identity by its upgrade request, or refuses the client: see {@link Authenticate}. Called before
   * the upgrade is answered, so before anything of the client is read. The identity is `conn.principal`, and only a client
   * with the same one can return to a session. Default: every client is accepted.
   *
   * A function that throws or rejects refuses with 500 (pages: 1011) and calls `onError`.
   */
  readonly authenticate?: Authenticate | undefined;
  /** Milliseconds for `authenticate`. Then the client is refused with 503 (pages: 1013). At least 1; default 10 s. */
  readonly authenticateTimeoutMs?: number | undefined;
  /**
   * Called with an error that the handler function, a listener of one of its Conns, or `authenticate` throws or rejects
   * with. Without a Conn where there was none yet. Default `console.error`.
   */
  readonly onError?: ((error: unknown, conn: ServerConn<In, Out> | undefined) => void) | undefined;
  /**
   * Called when an upgrade was refused because of its origin, which the error names: `refused`, 403. Default: a warning
   * for the first one.
   */
  readonly onRefused?: ((error: ConnError, request: IncomingMessage) => void) | undefined;
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

/** How a shutdown ends all Conns. */
export interface ShutdownOptions {
  /** Milliseconds for all Conns to flush and close; then they are abandoned. Default and limit: their `closeTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /**
   * Milliseconds over which the clients leave, so that they do not arrive elsewhere all at once: clients with resume are
   * asked to reconnect at a moment of their own, the others are closed one after another. Default 0: all at once.
   */
  readonly spreadMs?: number | undefined;
}

/** How a broadcast is sent. */
export interface BroadcastOptions<In, Out> extends SendOptions {
  /** The Conn that does not get the message, such as its sender, or several. Default none. */
  readonly except?: ServerConn<In, Out> | Iterable<ServerConn<In, Out>> | undefined;
}

/** Serves upgrades: see {@link handler}. */
export interface Handler<In = Payload, Out = In> {
  /** Takes over an upgrade: the arguments of a server's `upgrade` event. Never throws. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** The present Conns. A Conn leaves the set when it begins to close. */
  readonly conns: ReadonlySet<ServerConn<In, Out>>;
  /**
   * Sends `value` to every Conn, encoded once. Conns that are closing are skipped. Resolves in the same turn with the
   * number of Conns that took the message: wrote it, or queued it for a client that is away or slow. Never throws and
   * never rejects: a value that the codec refuses is passed to `onError`, and counts 0.
   *
   * @example
   * ```ts
   * const room = handler((conn) => void conn.on("message", (text) => room.broadcast(text, { except: conn })));
   * ```
   */
  broadcast(value: Out, options?: BroadcastOptions<In, Out>): Promise<number>;
  /**
   * Refuses new upgrades with 503, closes every Conn with 1001, and resolves when all have ended.
   *
   * @throws ConnError `bad-option`
   */
  shutdown(options?: ShutdownOptions): Promise<void>;
}

/** The options of a handler that are not those of its Conns, checked. */
export interface ResolvedHandlerOptions<In, Out> {
  readonly protocols: readonly string[];
  readonly allowsOrigin: AllowOrigin;
  readonly authenticate: Authenticate | undefined;
  readonly authenticateTimeoutMs: number;
  readonly onError: NonNullable<HandlerOptions<In, Out>["onError"]>;
  readonly onRefused: HandlerOptions<In, Out>["onRefused"];
  readonly resume: SessionOptions | undefined;
  readonly admission: AdmissionOptions | undefined;
  readonly serverOptions: object;
}

/** Options of `ws` that the handler sets, and what to use instead. */
const OWN_SERVER_OPTIONS: Readonly<Record<string, string>> = {
  maxPayload: "maxPayloadBytes of the handler",
  closeTimeout: "closeTimeoutMs of the handler",
  handleProtocols: "protocols of the handler",
  skipUTF8Validation: "nothing: text is always checked",
  clientTracking: "handler.conns",
  noServer: "nothing: the handler always sets it",
  server: "handle(server, path, handler)",
  port: "handle(server, path, handler)",
  host: "handle(server, path, handler)",
  path: "handle(server, path, handler)",
  backlog: "server.listen()",
};

const RULES: Readonly<Record<string, OptionRule>> = {
  protocols: ["", parseProtocols, []],
  allowsOrigin: ["", (value) => createOriginCheck(value as Origins), createOriginCheck([])],
  authenticate: functionRule(),
  authenticateTimeoutMs: timeRule(1, 10_000),
  onError: functionRule((error: unknown) => console.error(error)),
  onRefused: functionRule(),
  resume: rule("an object", isObject),
  admission: rule("an object with perSecond and burst", isObject),
  serverOptions: ["an object", (value) => (isObject(value) ? checkServerOptions(value as object) : undefined), {}],
};
const CONN_OPTIONS: readonly ConnOptionNames[] = [
  "codec",
  "maxPayloadBytes",
  "maxSendBytes",
  "outbox",
  "inbox",
  "heartbeat",
  "closeTimeoutMs",
  "setup",
];
const OWN_OPTIONS: readonly string[] = Object.keys(RULES).map((name) => (name === "allowsOrigin" ? "origins" : name));

/**
 * Checks the options of a handler and separates them from those of its Conns, which the Conn itself checks.
 *
 * @throws {@link ConnError} `bad-option`
 */
export function resolveHandlerOptions<In, Out>(
  options: HandlerOptions<In, Out>,
): [ResolvedHandlerOptions<In, Out>, ConnOptions<In, Out>] {
  if (!isObject(options)) throw badOption("The options", "an object", options);
  checkNames("", [...OWN_OPTIONS, ...CONN_OPTIONS], options, failOption);
  const { protocols, origins, authenticate, authenticateTimeoutMs, onError, onRefused, ...others } = options;
  const { resume, admission, serverOptions, ...connOptions } = others;
  if (authenticate !== undefined && resume?.principal !== undefined) {
    throw failOption(
      "Give either authenticate or resume.principal: the principal of authenticate is the session's too.",
    );
  }
  const own = {
    protocols,
    allowsOrigin: origins,
    authenticate,
    authenticateTimeoutMs,
    onError,
    onRefused,
    resume,
    admission,
    serverOptions,
  };
  return [takeOptions("", RULES, own, failOption) as unknown as ResolvedHandlerOptions<In, Out>, connOptions];
}

function checkServerOptions(given: object): object {
  for (const name of Object.keys(given)) {
    const instead = OWN_SERVER_OPTIONS[name];
    if (instead !== undefined) throw failOption(`serverOptions.${name} has no effect here: use ${instead}.`);
  }
  return given;
}
