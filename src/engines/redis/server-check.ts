import { ConnError } from "../../base/errors.ts";
import { isReply, type RedisConnection } from "./connection.ts";
import { clusterError } from "./failures.ts";
import { textOf } from "./wire.ts";

/**
 * Looks at the server behind a new connection. Rejects for a replica that refuses writes, and for a Redis Cluster.
 * Returns a warning for settings that endanger messages.
 */
export async function checkServer(connection: RedisConnection): Promise<ConnError | undefined> {
  let info: string;
  try {
    info = textOf(await connection.send(["INFO"])) ?? "";
  } catch (error) {
    // Some providers forbid INFO. The calls then find out whether the server can serve them.
    if (isReply(error) && error.message.startsWith("NOPERM")) return undefined;
    throw error;
  }
  const fieldOf = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
  if (fieldOf("cluster_enabled") === "1") throw clusterError();
  if (fieldOf("role") === "slave" && fieldOf("slave_read_only") !== "0") {
    throw new Error("READONLY The server is a replica.");
  }
  const policy = fieldOf("maxmemory_policy");
  if (policy === undefined || policy === "noeviction") return undefined;
  return new ConnError(
    "unsupported",
    `Redis has maxmemory-policy ${policy}, and may evict the logs of channels: set noeviction, or use a Redis of its own.`,
  );
}
