export type { SessionOptions } from "../resume/server/session-options.ts";
export type { AdmissionOptions } from "./admission.ts";
export { handle, type UpgradeHandler, type UpgradeListener, type UpgradeServer } from "./handle.ts";
export { handler } from "./handler.ts";
export type { Handler, HandlerOptions, ServerConn, ShutdownOptions } from "./handler-options.ts";
export type { Origins } from "./origin.ts";
