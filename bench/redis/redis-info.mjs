// Figures of INFO of the Redis under measurement.
import { redisCommand } from "../../test/cluster/machines.mjs";

/** Returns a number of INFO. */
function infoOf(port, name) {
  return Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(redisCommand(port, "INFO"))?.[1]);
}

/** Seconds of processor time that Redis has taken. */
export const cpuOf = (port) => infoOf(port, "used_cpu_user") + infoOf(port, "used_cpu_sys");

export const memoryOf = (port) => infoOf(port, "used_memory");

/** Returns how often each command has run since `forgetCommands()`, those of scripts too, but for the commands that ask. */
export function commandsOf(port) {
  const text = redisCommand(port, "INFO", "commandstats");
  const all = [...text.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)].map(([, name, calls]) => [name, Number(calls)]);
  return new Map(all.filter(([name]) => !/^(info|config)/.test(name)));
}

export const forgetCommands = (port) => redisCommand(port, "CONFIG", "RESETSTAT");
