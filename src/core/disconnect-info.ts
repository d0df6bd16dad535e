import type { ConnectionEnd } from "../socket/socket.ts";

/** How a connection, or an attempt at one, ended without being asked to. */
export interface DisconnectInfo extends ConnectionEnd {
  /** Whether the connection had been usable; false for an attempt that failed. */
  readonly wasOpen: boolean;
  /** Whether there will be another attempt. */
  readonly willRetry: boolean;
}

/** How the last connection, or the last dial, ended. */
export interface PreviousEnd extends DisconnectInfo {
  /** Errors of providers that failed since, oldest first: at most ten. A failed provider is no ending of a connection. */
  readonly failures: readonly unknown[];
}

/** The attempt that a provider is called for. */
export interface ProviderContext {
  /** 0 for the first dial and after a stable connection, else the number of the retry. */
  readonly attempt: number;
  /** Aborted when the attempt is given up, or its connection ends. */
  readonly signal: AbortSignal;
  /** How the previous connection ended; undefined for the first. */
  readonly previous: PreviousEnd | undefined;
}
