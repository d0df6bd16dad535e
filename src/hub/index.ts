export type {
  Engine,
  EngineMembers,
  EngineState,
  History,
  LogEntry,
  LogPart,
  NodeChange,
  Position,
  ReadFrom,
  ReadLimit,
} from "../server/engine.ts";
export type { Authorize, AuthorizeRequest, ChannelAction } from "./authorizer.ts";
export type { ChannelOptions, Deliver } from "./channel-rules.ts";
export { type Hub, hub, type PublishOptions, type ServeOptions } from "./hub.ts";
export type { FrameCodec, HubConn, HubPeer } from "./hub-conn.ts";
export type { HubOptions } from "./hub-options.ts";
export { memoryEngine } from "./memory-engine.ts";
export type { MemoryEngineOptions } from "./memory-options.ts";
export type { Revocation } from "./revocations.ts";
