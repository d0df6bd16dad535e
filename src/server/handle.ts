import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { badOption, ConnError } from "../base/errors.ts";
import { isFunction, isObject } from "../base/option-rules.ts";
import { Timer } from "../base/timer.ts";
import { rejectUpgrade } from "./reject-upgrade.ts";
import { type ConnectionEmitter, replayAsRequest } from "./replay-request.ts";
import { ignoreErrors } from "./socket-watch.ts";

/** The part of a server that `handle()` needs. Servers of `node:http` and `node:https` have it. */
export interface UpgradeServer extends ConnectionEmitter {
  /** Adds a listener for upgrades. */
  on(event: "upgrade", listener: UpgradeListener): unknown;
  /** Adds a listener for requests. */
  on(event: "request", listener: RequestListener): unknown;
  /** Removes a listener for upgrades. */
  off(event: "upgrade", listener: UpgradeListener): unknown;
  /** Removes a listener for requests. */
  off(event: "request", listener: RequestListener): unknown;
  /** Returns the listeners, which tell whether others may answer a path that `handle()` does not serve. */
  // biome-ignore lint/complexity/noBannedTypes: the type of Node's declarations
  listeners(event: "upgrade" | "request"): Function[];
}

/** Serves the upgrades of one path: `handler()` makes one. */
export interface UpgradeHandler {
  /** Takes over an upgrade. */
  readonly upgrade: UpgradeListener;
}

/** The arguments of a server's `upgrade` event. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** The arguments of a server's `request` event. */
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** The time for other listeners to answer an upgrade that no handler serves. */
const UNSERVED_MS = 10_000;

/** The paths of each server. One listener serves them all, so that a path without a handler can be answered. */
const servers = new WeakMap<UpgradeServer, ServedPaths>();

/**
 * Serves WebSocket upgrades to `path` (exactly, without the query) by `handler`. Returns an unsubscribe function, which
 * stops accepting and ends no Conn.
 *
 * A WebSocket upgrade to a path without a handler is answered with 404, unless others listen for upgrades too: then it is
 * theirs, and ended after 10 s without an answer. Upgrades to other protocols, such as `h2c`, are served as the ordinary
 * requests that they also are. Where no other listener for requests exists, ordinary requests are answered with 426 for a
 * path that has a handler, and with 404 for others.
 *
 * @throws ConnError `bad-option` for a path that no request can have, and for something that is no server or no handler;
 * `misuse` for a path that has a handler
 *
 * @example
 * ```ts
 * const server = createServer();
 * const off = handle(server, "/chat", handler(serve));
 * ```
 */
export function handle(server: UpgradeServer, path: string, handler: UpgradeHandler): () => void {
  // Not a function, because an app of Express has on() and no upgrades.
  if (!isObject(server) || !isFunction(server.on) || !isFunction(server.listeners)) {
    throw badOption("server", "a server of node:http or node:https, such as createServer(app)", server);
  }
  checkPath(path);
  if (!isFunction(handler?.upgrade)) throw badOption("handler", "what handler() returned", handler);
  const paths = servers.get(server) ?? new ServedPaths(server);
  return paths.add(path, handler);
}

/** The paths of one server that have a handler. */
class ServedPaths {
  readonly #server: UpgradeServer;
  readonly #handlers = new Map<string, UpgradeHandler>();

  constructor(server: UpgradeServer) {
    this.#server = server;
    servers.set(server, this);
    server.on("upgrade", this.#onUpgrade);
    server.on("request", this.#onRequest);
  }

  add(path: string, handler: UpgradeHandler): () => void {
    const handlers = this.#handlers;
    if (handlers.has(path))
      throw new ConnError(
        "misuse",
        `${path} has a handler already: remove it first, with the function that handle() returned.`,
      );
    handlers.set(path, handler);
    return () => {
      if (handlers.get(path) !== handler) return;
      handlers.delete(path);
      if (handlers.size === 0) this.#stop();
    };
  }

  #stop(): void {
    this.#server.off("upgrade", this.#onUpgrade);
    this.#server.off("request", this.#onRequest);
    servers.delete(this.#server);
  }

  readonly #onUpgrade: UpgradeListener = (request, socket, head) => {
    // Node removes its own listener before this event, and an error without a listener ends the process.
    ignoreErrors(socket);
    const isAlone = isOnly(this.#server.listeners("upgrade"), this.#onUpgrade);
    if (request.headers.upgrade?.toLowerCase() !== "websocket") {
      // Another listener may speak that protocol.
      if (isAlone) replayAsRequest(this.#server, request, socket, head);
      else endUnlessAnswered(socket);
      return;
    }
    const handler = this.#handlers.get(pathOf(request));
    if (handler) handler.upgrade(request, socket, head);
    else if (isAlone) rejectUpgrade(socket, 404);
    else endUnlessAnswered(socket);
  };

  readonly #onRequest: RequestListener = (request, response) => {
    // Where a framework has wrapped the listeners, this one is not in the list, and the answer is the framework's.
    if (!isOnly(this.#server.listeners("request"), this.#onRequest)) return;
    const isServed = this.#handlers.has(pathOf(request));
    // RFC 9110, section 15.5.22.
    if (isServed) response.writeHead(426, { Connection: "Upgrade", Upgrade: "websocket" });
    else response.writeHead(404);
    response.end();
  };
}

function pathOf({ url = "" }: IncomingMessage): string {
  return url.replace(/\?.*/s, "");
}

function isOnly(listeners: readonly unknown[], own: unknown): boolean {
  return listeners.length === 1 && listeners[0] === own;
}

/** Ends an upgrade that is left to other listeners when none of them has written to its socket in time. */
function endUnlessAnswered(socket: Duplex & { readonly bytesWritten?: number }): void {
  const { bytesWritten } = socket;
  const timer = new Timer();
  timer.start(UNSERVED_MS, () => socket.bytesWritten === bytesWritten && rejectUpgrade(socket, 404), true);
  socket.once("close", () => timer.stop());
}

/** Checks that a request can have the path: requests are in ASCII, without a query, and normalised by most clients. */
function checkPath(path: unknown): void {
  const range = "the path of a URL, such as /chat, without a query";
  if (typeof path !== "string" || !path.startsWith("/"))
    throw badOption("path", `${range}, and begin with a slash`, path);
  const [normal = ""] = URL.canParse(path, "http://x") ? [new URL(path, "http://x").pathname] : [];
  if (normal === path) return;
  throw badOption("path", `${range}${normal.startsWith("/") ? `; a request would say ${normal}` : ""}`, path);
}
