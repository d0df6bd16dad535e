import { ConnError } from "../base/errors.ts";
import { suggestName } from "../base/option-rules.ts";
import type { ConnEvents } from "./events.ts";

const EVENTS: Readonly<Record<keyof ConnEvents<unknown>, 1>> = {
  state: 1,
  open: 1,
  message: 1,
  disconnected: 1,
  waiting: 1,
  "session-lost": 1,
  closed: 1,
  error: 1,
  dropped: 1,
  drained: 1,
  latency: 1,
};
const NAMES = Object.keys(EVENTS);

/** Refuses an event that does not exist, because its listener would never be called. @throws {@link ConnError} `misuse` */
export function checkEvent(name: string): void {
  if (NAMES.includes(name)) return;
  const instead = name === "close" ? "disconnected for a connection, closed for the end" : suggestName(name, NAMES);
  throw new ConnError("misuse", `${String(name)} is not an event: use ${instead}.`);
}
