export type { SessionOptions } from "../resume/server/session-registry.ts";
export type { AdmissionOptions } from "./admission.ts";
export { handle, type UpgradeHandler, type UpgradeListener, type UpgradeServer } from "./handle.ts";
export { type Handler, type HandlerOptions, handler, type ServerConn, type ShutdownOptions } from "./handler.ts";
export type { Origins } from "./origin.ts";
