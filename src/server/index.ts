export type { SessionOptions } from "../resume/server/session-options.ts";
export type { AdmissionOptions } from "./admission.ts";
export type { Authenticate, Authentication } from "./authenticate.ts";
export {
  handle,
  type RequestListener,
  type UpgradeHandler,
  type UpgradeListener,
  type UpgradeServer,
} from "./handle.ts";
export { handler } from "./handler.ts";
export type {
  BroadcastOptions,
  Handler,
  HandlerOptions,
  Serve,
  ServerConn,
  ShutdownOptions,
} from "./handler-options.ts";
export type { Origins } from "./origin.ts";
export { type Refusal, type RefusalOptions, refuse } from "./refusal.ts";
