export { type ChannelState, type UseChannelOptions, useChannel } from "./use-channel.ts";
export { type ClosableConn, type UseConnOptions, useConn } from "./use-conn.ts";
export { useMessage } from "./use-message.ts";
export { useStatus } from "./use-status.ts";
export { useStore } from "./use-store.ts";
