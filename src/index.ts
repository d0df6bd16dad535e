export { type Backoff, type ExponentialOptions, exponential } from "./backoff.ts";
export {
  bytes,
  Codec,
  type CodecConn,
  type CodecLike,
  type JsonOptions,
  json,
  message,
  type ReceiveOptions,
  text,
} from "./codec.ts";
export { Conn } from "./conn.ts";
export type { ListenOptions } from "./emitter.ts";
export { ConnError, type ConnErrorCode, type ConnErrorDetails, fatal } from "./errors.ts";
export type { CloseInfo, ConnEvents, QueueSize, Stats } from "./events.ts";
export type { HeartbeatOptions, HeartbeatTimes } from "./heartbeat.ts";
export type { InboxBounds } from "./inbox.ts";
export type { LifecycleSignal, LifecycleSource } from "./lifecycle.ts";
export type { ConnOptions, Provider, SetupContext, Url } from "./options.ts";
export type { OutboxBounds } from "./outbox.ts";
export type { Payload, SendOptions } from "./payload.ts";
export type { SessionLoss } from "./session.ts";
export type { WebSocketConstructor, WebSocketLike } from "./socket.ts";
export type { ClosedBy, StateName, WaitReason } from "./state.ts";
export { type ReadableConn, readable, type WritableConn, writable } from "./streams.ts";
export type { ConnectionEnd, DisconnectInfo, ProviderContext } from "./verdict.ts";
