import { type Status, type StatusSource, status } from "../store/status.ts";
import { useStore } from "./use-store.ts";

/** Stands in for a Conn that is not there yet. */
const NONE: StatusSource = { state: "idle", waiting: null, on: () => () => {} };

/**
 * Returns the status of `conn`, and renders again when it changes; for null, the status of an idle Conn.
 *
 * @throws ConnError `misuse`
 *
 * @example
 * ```ts
 * const { state, retryAt } = useStatus(conn);
 * ```
 */
export function useStatus(conn: StatusSource | null | undefined): Status {
  return useStore(status(conn ?? NONE));
}
