import type { ConnectionEnd } from "../socket/socket.ts";

/** A connection, or an attempt at one, that ended without being asked to. */
export interface DisconnectInfo extends ConnectionEnd {
  /** Whether it had been usable; false for an attempt that failed. */
  readonly wasOpen: boolean;
  /** Whether there will be another attempt. */
  readonly willRetry: boolean;
}

/** What a provider is told about the attempt that it is asked for. */
export interface ProviderContext {
  /** 0 for the first dial and after a stable connection, else the number of the retry. */
  readonly attempt: number;
  /** Aborted when the attempt is given up, or the connection that came of it ends. */
  readonly signal: AbortSignal;
  /** Why the previous connection ended. */
  readonly previous: DisconnectInfo | undefined;
}
