import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { addAbortListener } from "../base/abort-listeners.ts";
import { ConnError } from "../base/errors.ts";
import { Timer } from "../base/timer.ts";
import { Refusal, refuse } from "./refusal.ts";
import { watchForEnd } from "./socket-watch.ts";

/** The answer of `authenticate`. */
export type Authentication = string | Refusal | false | null | undefined;

/**
 * Returns who the client is, by its upgrade request: a string that identifies the user, `""` for an anonymous client, or
 * a refusal by `refuse()`. Without a value the client is refused with 401. The `signal` is aborted when the client has
 * left, when `authenticateTimeoutMs` are over, or on shutdown.
 */
export type Authenticate = (
  request: IncomingMessage,
  context: { readonly signal: AbortSignal },
) => Authentication | Promise<Authentication>;

/**
 * Asks `authenticate`, within `timeoutMs` and while the client is there. Resolves with the principal, `undefined` for an
 * anonymous client, or a refusal. Rejects with what the function throws, with `misuse` for an answer of another type, with
 * `timeout`, and with the reason of `signal`, or `aborted` when the client has left.
 */
export async function askForPrincipal(
  authenticate: Authenticate,
  request: IncomingMessage,
  socket: Duplex,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string | undefined | Refusal> {
  const controller = new AbortController();
  const answer = authenticate(request, { signal: controller.signal });
  if (!isPromise(answer)) return toPrincipal(answer);
  const timer = new Timer();
  let stopListening = () => {};
  let stopWatching = async () => {};
  const interrupted = new Promise<never>((_, reject) => {
    const interrupt = (error: unknown) => {
      reject(error);
      controller.abort(error);
    };
    stopListening = addAbortListener(signal, () => interrupt(signal.reason));
    stopWatching = watchForEnd(socket, () => interrupt(new ConnError("aborted", "The client has left.")));
    const late = `authenticate took longer than authenticateTimeoutMs, ${timeoutMs} ms.`;
    timer.start(timeoutMs, () => interrupt(new ConnError("timeout", late)));
  });
  try {
    return toPrincipal(await Promise.race([answer, interrupted]));
  } finally {
    timer.stop();
    stopListening();
    await stopWatching();
  }
}

/** Checks an answer. A `false` value refuses, so that a user who was not found does not get in. @throws `misuse` */
function toPrincipal(answer: unknown): string | undefined | Refusal {
  if (typeof answer === "string") return answer || undefined;
  if (answer instanceof Refusal) return answer;
  if (answer === undefined || answer === null || answer === false) return refuse();
  throw new ConnError(
    "misuse",
    `authenticate must return a string, "" for anonymous, or refuse(…); got ${typeof answer}.`,
  );
}

/** Calls the function of `resume.principal`. @throws ConnError `misuse` for a promise, and what the function throws */
export function callPrincipal(
  principal: (request: IncomingMessage) => string | undefined,
  request: IncomingMessage,
): string | undefined {
  const answer: unknown = principal(request);
  if (typeof answer === "string" || answer === undefined) return answer;
  if (isPromise(answer)) {
    answer.then(undefined, () => {});
    throw new ConnError("misuse", "resume.principal returned a promise: use the option authenticate instead.");
  }
  throw new ConnError("misuse", `resume.principal must return a string or undefined; got ${typeof answer}.`);
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined | null)?.then === "function";
}
