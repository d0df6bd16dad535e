import { deferred } from "../base/deferred.ts";
import { ConnError, onAbort } from "../base/errors.ts";
import { reasonOf } from "./retry-policy.ts";
import type { Supervisor } from "./supervisor.ts";

/** Resolves when the Conn is open, now or next. Rejects with `closed` or `aborted`. */
export function whenOpen<In, Out>(supervisor: Supervisor<In, Out>, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = deferred<void>();
  const check = () => {
    if (supervisor.state.name === "open") resolve();
    else if (supervisor.isEnding) reject(supervisor.closedError());
  };
  const off = supervisor.emitter.on("state", check);
  promise.then(off, off);
  onAbort(signal, promise, ({ cause }) => {
    const { lastEnd } = supervisor.history;
    const why = lastEnd ? `The last attempt ended with ${reasonOf(lastEnd)}` : "No attempt had ended yet.";
    reject(new ConnError("aborted", `The signal was aborted before the Conn was open. ${why}`, { cause }));
  });
  check();
  return promise;
}
