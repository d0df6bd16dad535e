import { fromStore, type Readable } from "svelte/store";
import { connection, total } from "./live.ts";

export const readable: Readable<number> = total;
export const sum: number = fromStore(total).current;
export const state: string = fromStore(connection).current.state;
