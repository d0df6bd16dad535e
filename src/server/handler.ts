import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { WebSocket } from "ws";
import { GOING_AWAY, INTERNAL_ERROR } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { type Conn, createConn } from "../core/conn.ts";
import type { ConnectionSource } from "../core/connect-attempt.ts";
import type { CloseInfo } from "../core/events.ts";
import { type ConnOptions, resolveOptions } from "../core/options.ts";
import { speaksResume } from "../resume/protocol/subprotocol.ts";
import { SessionRegistry } from "../resume/server/session-registry.ts";
import { AcceptedSource } from "./accepted-source.ts";
import { Admission } from "./admission.ts";
import type { Handler, HandlerOptions, Serve, ServerConn, ShutdownOptions } from "./handler-options.ts";
import { Upgrader, type UpgraderOwner, urlOf } from "./upgrader.ts";

/** The time between two groups of clients that leave, where they leave one after another. */
const SPREAD_STEP_MS = 20;

/**
 * Runs `serve` for each connection, as Go's `websocket.Handler` does. A promise that it returns ends the Conn when it
 * settles: with 1000, or with 1011 and `onError` if it rejects. Without a promise the Conn ends when the peer ends it.
 *
 * @throws ConnError `bad-option`
 */
export function handler<In = Payload, Out = In>(
  serve: Serve<In, Out>,
  options: HandlerOptions<In, Out> = {},
): Handler<In, Out> {
  const server = new ConnServer(serve, options);
  return {
    upgrade: (request, socket, head) => server.upgrade(request, socket, head),
    conns: server.conns,
    shutdown: (shutdownOptions) => server.shutdown(shutdownOptions),
  };
}

/** Makes a Conn of each connection that is accepted, and runs the user's function for it. */
class ConnServer<In, Out> implements UpgraderOwner {
  readonly conns = new Set<ServerConn<In, Out>>();
  readonly #serve: Serve<In, Out>;
  readonly #onError: NonNullable<HandlerOptions<In, Out>["onError"]>;
  readonly #connOptions: ConnOptions<In, Out>;
  readonly #upgrader: Upgrader;
  readonly #sessions: SessionRegistry | undefined;
  /** Conns whose clients can return. */
  readonly #resumable = new WeakSet<ServerConn<In, Out>>();

  constructor(serve: Serve<In, Out>, options: HandlerOptions<In, Out>) {
    const { protocols, origins, onError, serverOptions, resume, admission, ...connOptions } = options;
    const { maxPayloadBytes, closeTimeoutMs } = resolveOptions(connOptions);
    this.#serve = serve;
    this.#onError = onError ?? ((error) => console.error(error));
    this.#connOptions = connOptions;
    this.#sessions =
      resume &&
      new SessionRegistry(resume, maxPayloadBytes, ({ source, request, ...sessionOptions }) => {
        const conn = this.#open(urlOf(request) as string, request, source, sessionOptions);
        this.#resumable.add(conn);
        return conn as unknown as Conn<never, never>;
      });
    this.#upgrader = new Upgrader(
      {
        protocols,
        origins,
        resume,
        serverOptions,
        maxPayloadBytes,
        closeTimeoutMs,
        admission: admission && new Admission(admission),
      },
      this,
    );
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgrader.upgrade(request, socket, head);
  }

  async shutdown({ timeoutMs, spreadMs = 0 }: ShutdownOptions = {}): Promise<void> {
    this.#upgrader.isShutDown = true;
    if (spreadMs > 0) await this.#spread(spreadMs);
    this.#sessions?.clear();
    const signal = Number.isFinite(timeoutMs) ? AbortSignal.timeout(timeoutMs as number) : undefined;
    // Node warns of a leak above ten listeners.
    if (signal) setMaxListeners(0, signal);
    await Promise.all(Array.from(this.conns, (conn) => conn.close(GOING_AWAY, "", { signal })));
  }

  // UpgraderOwner: called by the upgrader.

  principalOf(request: IncomingMessage): string | undefined {
    return this.#sessions?.principalOf(request);
  }

  onAccepted(webSocket: WebSocket, url: string, request: IncomingMessage, principal: string | undefined): void {
    if (this.#sessions && speaksResume(webSocket.protocol))
      this.#sessions.greet(webSocket, request, principal, this.#upgrader.select(request));
    else this.#open(url, request, new AcceptedSource(webSocket, request));
  }

  onError(error: unknown): void {
    this.#onError(error, undefined);
  }

  #open(
    url: string,
    request: IncomingMessage,
    source: ConnectionSource,
    sessionOptions: Partial<ConnOptions<In, Out>> = {},
  ): ServerConn<In, Out> {
    const options = {
      ...this.#connOptions,
      ...sessionOptions,
      lifecycle: false,
    } as object;
    const conn = Object.assign(createConn<In, Out>(url, options, source), { request });
    this.conns.add(conn);
    conn.closed.then(() => this.conns.delete(conn));
    conn.on("open", () => this.#run(conn, request), { once: true });
    return conn;
  }

  async #run(conn: ServerConn<In, Out>, request: IncomingMessage): Promise<void> {
    try {
      const result = this.#serve(conn, request);
      if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") return;
      await result;
      conn.close();
    } catch (error) {
      if (conn.state !== "closing" && conn.state !== "closed") conn.close(INTERNAL_ERROR);
      else if (isEndOfConn(await conn.closed, error)) return;
      this.#onError(error, conn);
    }
  }

  /** Lets the clients leave one after another within this time. */
  async #spread(spreadMs: number): Promise<void> {
    this.#sessions?.requestMove(spreadMs);
    const others = [...this.conns].filter((conn) => !this.#resumable.has(conn));
    const start = performance.now();
    let left = 0;
    for (let part = 0; part < 1 && this.conns.size > 0; ) {
      await setTimeout(Math.min(SPREAD_STEP_MS, spreadMs));
      // By the clock, because the timers of a busy process are late.
      part = Math.min(1, (performance.now() - start) / spreadMs);
      const due = Math.ceil(others.length * part);
      for (const conn of others.slice(left, due)) conn.close(GOING_AWAY);
      left = due;
    }
  }
}

/** Whether `error` says only that the Conn has ended, which the function may learn and the server need not. */
function isEndOfConn(end: CloseInfo, error: unknown): boolean {
  return error instanceof ConnError && error.code === "closed" && (error === end.error || error.cause === end.error);
}
