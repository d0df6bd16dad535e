import { badOption } from "../base/errors.ts";
import { StandardWebSocket } from "../whatwg/web-socket.ts";
import { ConnLink, type SocketConn } from "./conn-link.ts";
import type { WebSocketClass } from "./web-socket.ts";

/** A socket of the platform's type, where its types name one. */
export type WebSocketInstance = InstanceType<WebSocketClass>;

/**
 * Creates a WebSocket over an existing Conn, on either side, for a library that takes a socket. Drops are hidden as long as
 * the session is resumed; a close event comes when the session is lost or the Conn ends. The socket takes all messages of
 * the Conn. `close()` closes the Conn.
 *
 * @throws ConnError `bad-option` for anything but a Conn
 *
 * @example
 * ```ts
 * handle(server, "/yjs", handler((conn) => setupWSConnection(asWebSocket(conn), conn.request)));
 * ```
 */
export function asWebSocket(conn: SocketConn): WebSocketInstance {
  if (typeof conn?.write !== "function") throw badOption("conn", "a Conn", conn);
  return new StandardWebSocket((owner) => new ConnLink(conn, owner, "hide", "none")) as unknown as WebSocketInstance;
}
