export type { MessageSource } from "./message-source.ts";
export type { Store } from "./observable.ts";
export { type Status, type StatusSource, status } from "./status.ts";
export { type StoreOptions, store } from "./store.ts";
