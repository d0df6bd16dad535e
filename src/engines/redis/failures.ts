import { ConnError } from "../../base/errors.ts";
import { isReply } from "./connection.ts";

/** Replies after which another connection may lead to a server that serves us. */
const WRONG_SERVER = /^(READONLY|LOADING|MASTERDOWN|NOREPLICAS)\b/;
/** Replies of a Redis Cluster. */
const CLUSTER = /^(MOVED|ASK|CROSSSLOT|CLUSTERDOWN|TRYAGAIN)\b/;
/** Replies to data that others wrote. */
const FOREIGN = /^(TAUTLINE|WRONGTYPE)\b/;

/** Whether the server refuses because it is a replica, or still loads its data. */
export function isWrongServer(error: unknown): boolean {
  return isReply(error) && WRONG_SERVER.test(error.message);
}

/** Whether the reply is about data that another version or program wrote. */
export function isForeign(error: unknown): boolean {
  return isReply(error) && FOREIGN.test(error.message);
}

/** Whether the script is unknown, so that nothing of it has run. */
export function isNoScript(error: unknown): boolean {
  return isReply(error) && error.message.startsWith("NOSCRIPT");
}

/** Whether the client refused a command before it wrote anything. */
export function isUnwritten(error: unknown): boolean {
  return error instanceof Error && /^The client is (closed|offline)$/.test(error.message);
}

/** Returns the error for a call that Redis refused. */
export function refusedBy(error: Error): ConnError {
  if (CLUSTER.test(error.message)) return clusterError(error);
  if (FOREIGN.test(error.message)) return foreign(error.message, error);
  return new ConnError("unavailable", `Redis refused the call: ${error.message}`, { cause: error });
}

/** Returns the error for a server that is part of a Redis Cluster. */
export function clusterError(cause?: Error): ConnError {
  const reason = cause ? `it replied ${cause.message}` : "it runs with cluster-enabled yes";
  return new ConnError(
    "unsupported",
    `Redis Cluster is not supported, and ${reason}: use one Redis, with replicas and Sentinel where it must not fail.`,
    { cause },
  );
}

/** Returns the error for data that others wrote, such as another version. */
export function foreign(what: string, cause?: unknown): ConnError {
  return new ConnError(
    "unavailable",
    `Redis holds data that this version did not write: ${what}. Use another prefix, or one version on all nodes.`,
    { cause },
  );
}

/** Returns the error for a call that got no answer. A server that can never serve us is the reason itself. */
export function unanswered(mayHaveRun: boolean, cause: unknown): ConnError {
  if (cause instanceof ConnError && cause.code === "unsupported") return cause;
  const what = mayHaveRun ? "Redis did not answer in time: the call may have run." : "Redis can't be reached.";
  return new ConnError("unavailable", what, { cause });
}

/** Returns the error of a failed attempt to connect, or of a lost connection. */
export function disconnected(error: unknown): ConnError {
  if (error instanceof ConnError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new ConnError("unavailable", `The connection to Redis failed: ${text}`, { cause: error });
}
