export type { ListenOptions } from "./base/emitter.ts";
export { ConnError, type ConnErrorCode, type ConnErrorDetails, fatal } from "./base/errors.ts";
export type { Payload } from "./base/payload.ts";
export type { SendOptions, SendOutcome } from "./base/send-options.ts";
export {
  bytes,
  Codec,
  type CodecConn,
  type CodecLike,
  type DecodeLimits,
  type JsonOptions,
  json,
  message,
  type ReceiveOptions,
  text,
} from "./codec/codec.ts";
export { type Backoff, type ExponentialOptions, exponential } from "./core/backoff.ts";
export { Conn } from "./core/conn.ts";
export type { DisconnectInfo, PreviousEnd, ProviderContext } from "./core/disconnect-info.ts";
export type { CloseInfo, ConnEvents, Waiting } from "./core/events.ts";
export type { HeartbeatOptions } from "./core/heartbeat.ts";
export type { InboxBounds } from "./core/inbox.ts";
export type { ConnOptions, ConnOptionsWithCodec, Provider, SetupContext, Url } from "./core/options.ts";
export type { OutboxBounds } from "./core/outbox.ts";
export type { LifecycleSignal, LifecycleSource } from "./core/page-lifecycle.ts";
export type { WriteOptions } from "./core/send.ts";
export type { SessionLoss } from "./core/session.ts";
export type { ClosedBy, StateName, WaitReason } from "./core/state-machine.ts";
export type { QueueSize, Stats } from "./core/stats.ts";
export { type ReadableConn, readable, type WritableConn, writable } from "./core/web-streams.ts";
export type { ConnectionEnd, WebSocketConstructor, WebSocketLike } from "./socket/socket.ts";
