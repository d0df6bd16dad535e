/** How one connection ended, as far as the platform tells. */
export interface ConnectionEnd {
  /** RFC 6455, section 7.4. 1006 where the connection ended without a close frame. */
  readonly code: number;
  /** The reason that came with the code, `""` for none. */
  readonly reason: string;
  /** Whether the closing handshake was completed. */
  readonly clean: boolean;
  /** HTTP status of a refused upgrade, where the platform tells it (Node). */
  readonly status?: number | undefined;
  /** The `Retry-After` header of a refused upgrade, where the platform tells it (Node). RFC 9110, section 10.2.3. */
  readonly retryAfter?: string | undefined;
  /** What went wrong, where the platform tells it. */
  readonly cause?: unknown;
}

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

/** What the verdict rests on, besides the ending itself. */
export interface RetryHistory {
  /** Whether this Conn has ever been open. */
  readonly everOpened: boolean;
  /** Whether a function is asked again on each attempt, so that another try may bring other credentials. */
  readonly canRenew: boolean;
  /** Endings for want of authentication since the last stable connection, this one not counted. */
  readonly refusals: number;
}

/** Close codes after which another attempt would end the same way. */
const FINAL = new Set([1000, 1003, 1007, 1008, 1009, 1010]);
const AUTH = new Set([401, 403, 3000, 3003, 4401, 4403]);
/** HTTP statuses, and their 44xx counterparts, that another attempt may well cure. */
const CURABLE = new Set([408, 425, 429]);
const MAX_REQUESTED_MS = 600_000;
/** A server that names one moment would get everybody at it: they spread over this much more. */
const SPREAD = 1.25;

/** Whether the server, or a gateway before it, asked who we are. */
export function isAuth(ending: ConnectionEnd): boolean {
  return AUTH.has(ending.status ?? ending.code);
}

/** Whether an ending deserves another attempt. */
export function isRetryable(ending: ConnectionEnd, history: RetryHistory): boolean {
  const { code, status } = ending;
  if (isAuth(ending)) return history.canRenew && history.refusals === 0;
  if (status !== undefined) return status < 400 || status >= 500 || CURABLE.has(status) || history.everOpened;
  const final = code >= 4400 && code < 4500 ? !CURABLE.has(code - 4000) : FINAL.has(code);
  return !final || requestedDelay(ending) !== undefined;
}

/**
 * When the server wants us back, in milliseconds from now: a window to draw from. Read from a close reason
 * `retry=<min>-<max>` or `retry=<ms>`, or from `Retry-After`, in seconds or as a date. What it asks for is capped at
 * {@link MAX_REQUESTED_MS}.
 */
export function requestedDelay(
  { reason, retryAfter }: ConnectionEnd,
  now = Date.now(),
): readonly [number, number] | undefined {
  const match = /(?:^|[\s;,])retry=(\d+)(?:-(\d+))?(?![^\s;,])/.exec(reason);
  if (match) return toRange(Number(match[1]), match[2] && Number(match[2]));
  if (!retryAfter) return undefined;
  const ms = /^\s*\d+\s*$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now;
  return Number.isNaN(ms) ? undefined : toRange(Math.max(0, ms), undefined);
}

function toRange(min: number, max: number | "" | undefined): readonly [number, number] {
  const from = Math.min(min, MAX_REQUESTED_MS);
  const to = Math.min(max || from * SPREAD, MAX_REQUESTED_MS);
  // Capped waits are spread too, or the cap would gather the crowd that the server meant to part.
  return [from, to > from ? to : from * SPREAD];
}
