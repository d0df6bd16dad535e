// @ts-check
import { createClient } from "@redis/client";
import { redisEngine } from "tautline/engines/redis";

const CONNECT_MS = 3_000;
/** The members of a killed node are gone after so long, unless they are back. */
const LEASE_MS = 3_000;

/**
 * Makes the engines of a node on Redis, one for each hub.
 *
 * @param {string} redis The address.
 * @param {(error: unknown) => void} onError
 * @returns {(name: string) => ReturnType<typeof redisEngine>}
 */
export function enginesOn(redis, onError) {
  return (name) =>
    redisEngine({ client: createClient({ url: redis }), prefix: `tautline-demo:${name}`, leaseMs: LEASE_MS, onError });
}

/**
 * Asks Redis for a sign of life. Rejects with the reason when there is none.
 *
 * @param {string} redis
 */
export async function reach(redis) {
  const client = createClient({ url: redis, socket: { reconnectStrategy: false, connectTimeout: CONNECT_MS } });
  // The rejection of connect() says the same.
  client.on("error", () => {});
  await client.connect();
  await client.ping();
  client.destroy();
}
