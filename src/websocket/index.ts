export type { SocketListener, SocketListenerOptions } from "../whatwg/event-target.ts";
export type { SocketCloseEvent, SocketErrorEvent, SocketEvent, SocketMessageEvent } from "../whatwg/events.ts";
export type { SocketEvents, SocketHandler, StandardWebSocket } from "../whatwg/web-socket.ts";
export { asWebSocket, type WebSocketInstance } from "./as-web-socket.ts";
export type { Drops, QueueMode, SocketConn } from "./conn-link.ts";
export { ReconnectingWebSocket, type ReconnectingWebSocketOptions } from "./reconnecting-web-socket.ts";
export { type StandardWebSocketClass, type WebSocketClass, type WebSocketOptions, webSocket } from "./web-socket.ts";
