import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Returns the bytes that live objects of this thread take, after a collection. */
export function liveBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
