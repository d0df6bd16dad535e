import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { ConnError } from "../base/errors.ts";
import { rejectUpgrade } from "./reject-upgrade.ts";

/** The part of a server that `handle()` needs. Servers of `node:http` and `node:https` have it. */
export interface UpgradeServer {
  /** Adds a listener for upgrades. */
  on(event: "upgrade", listener: UpgradeListener): unknown;
  /** Removes a listener. */
  off(event: "upgrade", listener: UpgradeListener): unknown;
  /** Counts the listeners, which tells whether others may answer a path that `handle()` does not serve. */
  listenerCount(event: "upgrade"): number;
}

/** Serves the upgrades of one path: `handler()` makes one. */
export interface UpgradeHandler {
  /** Takes over an upgrade. */
  readonly upgrade: UpgradeListener;
}

/** The arguments of a server's `upgrade` event. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

interface ServedPaths {
  readonly handlers: Map<string, UpgradeHandler>;
  readonly listener: UpgradeListener;
}

/** The paths of each server. One listener serves them all, so that a path without a handler can be answered. */
const servers = new WeakMap<UpgradeServer, ServedPaths>();

/**
 * Serves upgrades to `path` (exactly, without the query) by `handler`, and leaves all other paths alone. A path that has
 * no handler is answered with 404, unless others listen for upgrades too: the path may be theirs. Returns an unsubscribe
 * function, which stops accepting and ends no Conn.
 *
 * @throws ConnError `bad-option` for a path without a leading slash, `misuse` for a path that has a handler
 */
export function handle(server: UpgradeServer, path: string, handler: UpgradeHandler): () => void {
  if (!path.startsWith("/")) throw new ConnError("bad-option", `path must begin with a slash; got ${path}.`);
  const { handlers, listener } = servers.get(server) ?? listen(server);
  if (handlers.has(path)) throw new ConnError("misuse", `${path} has a handler already.`);
  handlers.set(path, handler);
  return () => {
    if (handlers.get(path) !== handler) return;
    handlers.delete(path);
    if (handlers.size > 0) return;
    server.off("upgrade", listener);
    servers.delete(server);
  };
}

function listen(server: UpgradeServer): ServedPaths {
  const handlers = new Map<string, UpgradeHandler>();
  const listener: UpgradeListener = (request, socket, head) => {
    // Node removes its own listener before this event, and an error without a listener ends the process.
    socket.on("error", () => {});
    const handler = handlers.get((request.url ?? "").replace(/\?.*/s, ""));
    if (handler) handler.upgrade(request, socket, head);
    else if (server.listenerCount("upgrade") === 1) rejectUpgrade(socket, 404);
  };
  const served = { handlers, listener };
  servers.set(server, served);
  server.on("upgrade", listener);
  return served;
}
