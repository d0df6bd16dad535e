import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { WebSocket } from "ws";
import { GOING_AWAY } from "../base/close-codes.ts";
import { badOption, type ConnError, failOption } from "../base/errors.ts";
import { isFunction, isObject, type OptionRules, takeOptions, timeRule } from "../base/option-rules.ts";
import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import { marshal } from "../codec/codec.ts";
import { createConn } from "../core/create-conn.ts";
import { type ConnOptions, resolveOptions } from "../core/options.ts";
import { speaksResume } from "../resume/protocol/subprotocol.ts";
import { SessionRegistry } from "../resume/server/session-registry.ts";
import { shareFrame } from "../socket/frame-writer.ts";
import { AcceptedSource, type ServerSource } from "./accepted-source.ts";
import { Admission, type Slot } from "./admission.ts";
import { ConnRunner, isEnding } from "./conn-runner.ts";
import {
  type BroadcastOptions,
  type Handler,
  type HandlerOptions,
  resolveHandlerOptions,
  type Serve,
  type ServerConn,
  type ShutdownOptions,
} from "./handler-options.ts";
import { type AcceptedUpgrade, Upgrader, type UpgraderOwner } from "./upgrader.ts";

/** The time between two groups of clients that leave, where they leave one after another. */
const SPREAD_STEP_MS = 20;
interface ResolvedShutdownOptions {
  readonly timeoutMs: number;
  readonly spreadMs: number;
}

const SHUTDOWN_RULES: OptionRules<ResolvedShutdownOptions> = {
  timeoutMs: timeRule(0, Number.POSITIVE_INFINITY),
  spreadMs: timeRule(0, 0),
};

/**
 * Runs `serve` for each connection, as Go's `websocket.Handler` does. A promise that it returns ends the Conn when it
 * settles: with 1000, or with 1011 and `onError` if it rejects. Without a promise the Conn ends when the peer ends it. An
 * error that a listener of the Conn throws ends the Conn with 1011, too.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * ```ts
 * const echo = handler(async (conn) => {
 *   for await (const message of conn) await conn.send(message);
 * });
 * handle(server, "/echo", echo);
 * ```
 */
export function handler<In = Payload, Out = In>(
  serve: Serve<In, Out>,
  options: HandlerOptions<In, Out> = {},
): Handler<In, Out> {
  if (!isFunction(serve)) throw badOption("serve", "a function, called with each Conn", serve);
  const server = new ConnServer(serve, options);
  return {
    upgrade: (request, socket, head) => server.upgrade(request, socket, head),
    conns: server.conns,
    broadcast: (value, broadcastOptions) => server.broadcast(value, broadcastOptions),
    shutdown: (shutdownOptions) => server.shutdown(shutdownOptions),
  };
}

/** Makes a Conn of each connection that is accepted. */
class ConnServer<In, Out> implements UpgraderOwner {
  /** The Conns that are not closing. */
  readonly conns = new Set<ServerConn<In, Out>>();
  readonly #closing = new Set<ServerConn<In, Out>>();
  readonly #runner: ConnRunner<In, Out>;
  readonly #onRefused: HandlerOptions<In, Out>["onRefused"];
  readonly #connOptions: ConnOptions<In, Out>;
  readonly #codec: ReturnType<typeof resolveOptions<In, Out>>["codec"];
  readonly #upgrader: Upgrader;
  readonly #sessions: SessionRegistry | undefined;
  /** Conns whose clients can return. */
  readonly #resumable = new WeakSet<ServerConn<In, Out>>();
  #hasWarned = false;

  constructor(serve: Serve<In, Out>, given: HandlerOptions<In, Out>) {
    const [options, connOptions] = resolveHandlerOptions(given);
    const { resume, admission, onError, onRefused } = options;
    const { codec, maxPayloadBytes, closeTimeoutMs } = resolveOptions(connOptions);
    this.#runner = new ConnRunner(serve, onError);
    this.#onRefused = onRefused;
    this.#connOptions = connOptions;
    this.#codec = codec;
    if (resume) {
      this.#sessions = new SessionRegistry(resume, maxPayloadBytes, ({ source, upgrade, resume: session }) => {
        const conn = this.#open(upgrade, source, { resume: session });
        this.#resumable.add(conn);
        return conn as unknown as ServerConn<never, never>;
      });
    }
    this.#upgrader = new Upgrader(
      {
        ...options,
        maxPayloadBytes,
        closeTimeoutMs,
        principal: resume?.principal,
        hasSessions: resume !== undefined,
        // A session must not expire before the slot of its client.
        admission: admission && new Admission(admission, this.#sessions?.ttlMs),
      },
      this,
    );
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgrader.upgrade(request, socket, head);
  }

  async broadcast(value: Out, { except, ...options }: BroadcastOptions<In, Out> = {}): Promise<number> {
    let taken = 0;
    try {
      const payload = marshal(this.#codec, value);
      const encodedOnce = { marshal: () => payload, unmarshal: noValue };
      const excluded = toSet(except);
      shareFrame(payload, () => {
        for (const conn of this.conns) {
          if (excluded.has(conn) || isEnding(conn)) continue;
          const sent = conn.send(value, { ...options, codec: encodedOnce });
          taken++;
          sent.catch(() => {
            taken--;
          });
        }
      });
    } catch (error) {
      // Reported once, because a bad value or option fails in the same way for every Conn.
      this.#runner.report(error);
    }
    // A message that was refused at once is rejected by now, and one that waits is not.
    await undefined;
    return taken;
  }

  shutdown(options: ShutdownOptions = {}): Promise<void> {
    return this.#shutDown(takeOptions("", SHUTDOWN_RULES, options, failOption));
  }

  async #shutDown({ timeoutMs, spreadMs }: ResolvedShutdownOptions): Promise<void> {
    this.#upgrader.shutDown();
    if (spreadMs > 0) await this.#spread(spreadMs);
    this.#sessions?.clear();
    const timeout = new AbortController();
    const timer = new Timer();
    if (timeoutMs < Number.POSITIVE_INFINITY) timer.start(timeoutMs, () => timeout.abort(), true);
    const all = [...this.conns, ...this.#closing];
    await Promise.all(all.map((conn) => conn.close(GOING_AWAY, "", { signal: timeout.signal })));
    timer.stop();
  }

  // UpgraderOwner: called by the upgrader.

  onAccepted(webSocket: WebSocket, upgrade: AcceptedUpgrade): void {
    if (this.#sessions && speaksResume(webSocket.protocol)) {
      return this.#sessions.greet(webSocket, upgrade, this.#upgrader.select(upgrade.request));
    }
    this.#open(upgrade, new AcceptedSource(webSocket, upgrade.socket));
  }

  onDelayed(slot: Slot): void {
    this.#sessions?.onDelayed(slot.maxMs);
  }

  onRefused(error: ConnError, request: IncomingMessage): void {
    try {
      if (this.#onRefused) this.#onRefused(error, request);
      else if (!this.#hasWarned) process.emitWarning(error.message, { code: "TAUTLINE_ORIGIN_REFUSED" });
      this.#hasWarned = true;
    } catch (failure) {
      this.onError(failure);
    }
  }

  onError(error: unknown): void {
    this.#runner.report(error);
  }

  #open(
    { url, request, principal }: AcceptedUpgrade,
    source: ServerSource,
    sessionOptions: Partial<ConnOptions<In, Out>> = {},
  ): ServerConn<In, Out> {
    const options = { ...this.#connOptions, ...sessionOptions, lifecycle: false } as const;
    const conn = Object.assign(createConn<In, Out>(url, options, source), { request, principal, codec: this.#codec });
    source.onListenerError = (error) => this.#runner.fail(conn, error);
    this.conns.add(conn);
    conn.on("state", ({ to }) => {
      if (to === "closing") this.#closing.add(conn);
      if (to === "closed") this.#closing.delete(conn);
      if (isEnding(conn)) this.conns.delete(conn);
      if (to === "closed") source.release();
    });
    conn.on("open", () => this.#runner.run(conn), { once: true });
    return conn;
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

/** Refuses to decode: the other half of a codec that only encodes. */
function noValue(): never {
  throw new Error("This codec only encodes.");
}

/** Returns the Conns that a broadcast leaves out. A Conn has only an async iterator, so a synchronous one means a list. */
function toSet<T extends object>(except: T | Iterable<T> | undefined): ReadonlySet<T> {
  if (except === undefined) return new Set();
  if (!isObject(except)) throw badOption("except", "a Conn, or an iterable of Conns", except);
  return new Set(Symbol.iterator in except ? except : [except as T]);
}
