export type { SocketListener, SocketListenerOptions } from "../../whatwg/event-target.ts";
export type { SocketCloseEvent, SocketErrorEvent, SocketEvent, SocketMessageEvent } from "../../whatwg/events.ts";
export type { SocketEvents, SocketHandler, StandardWebSocket } from "../../whatwg/web-socket.ts";
export type { FakeConnection } from "./fake-connection.ts";
export type { FakeCloseInfo } from "./fake-line.ts";
export {
  type FakeInstallation,
  type FakeServer,
  type FakeServerOptions,
  type FakeWebSocketClass,
  fakeServer,
} from "./fake-server.ts";
