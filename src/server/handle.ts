import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { ConnError } from "../base/errors.ts";
import { rejectUpgrade } from "./reject-upgrade.ts";

/** What `handle()` needs of a server: `node:http` and `node:https` have it. */
export interface UpgradeServer {
  /** Listens to upgrades. */
  on(event: "upgrade", listener: UpgradeListener): unknown;
  /** Listens no more. */
  off(event: "upgrade", listener: UpgradeListener): unknown;
  /** How many listen: whether anybody else may answer a path that `handle()` does not know. */
  listenerCount(event: "upgrade"): number;
}

/** What serves the upgrades of one path: `handler()` gives one. */
export interface UpgradeHandler {
  /** Takes over an upgrade. */
  readonly upgrade: UpgradeListener;
}

/** The arguments of a server's `upgrade` event. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

interface Paths {
  readonly handlers: Map<string, UpgradeHandler>;
  readonly listener: UpgradeListener;
}

/** The paths of each server, behind one listener, so that it is known which paths nobody serves. */
const servers = new WeakMap<UpgradeServer, Paths>();

/**
 * Serves upgrades to `path` (exactly, without query) by `handler`, and leaves every other path alone. A path that
 * nobody serves is answered with 404, unless others listen for upgrades too: it may be theirs. Returns the undo, which
 * stops accepting and ends no Conn.
 *
 * @throws ConnError `bad-option` for a path without a leading slash, `misuse` for one that is served already
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

function listen(server: UpgradeServer): Paths {
  const handlers = new Map<string, UpgradeHandler>();
  const listener: UpgradeListener = (request, socket, head) => {
    // Node took its own listener away, and nobody else may have one.
    socket.on("error", () => {});
    const handler = handlers.get((request.url ?? "").replace(/\?.*/s, ""));
    if (handler) handler.upgrade(request, socket, head);
    else if (server.listenerCount("upgrade") === 1) rejectUpgrade(socket, 404);
  };
  const paths = { handlers, listener };
  servers.set(server, paths);
  server.on("upgrade", listener);
  return paths;
}
