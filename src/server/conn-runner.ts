import { INTERNAL_ERROR, NORMAL } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import type { CloseInfo } from "../core/events.ts";
import { isPromise } from "./authenticate.ts";
import type { HandlerOptions, Serve, ServerConn } from "./handler-options.ts";

/** The reason with which a Conn closes whose function returned. */
const RETURNED = "handler returned";

/** Runs the user's function for each Conn, and ends the Conn by its outcome. */
export class ConnRunner<In, Out> {
  readonly #serve: Serve<In, Out>;
  readonly #onError: NonNullable<HandlerOptions<In, Out>["onError"]>;
  #hasWarned = false;

  constructor(serve: Serve<In, Out>, onError: NonNullable<HandlerOptions<In, Out>["onError"]>) {
    this.#serve = serve;
    this.#onError = onError;
  }

  /** Runs the function. A promise ends the Conn: with 1000, or with 1011 when it rejects. Never rejects. */
  async run(conn: ServerConn<In, Out>): Promise<void> {
    try {
      const result = this.#serve(conn, conn.request);
      if (!isPromise(result)) return;
      let isSameTurn = true;
      setImmediate(() => {
        isSameTurn = false;
      });
      await result;
      if (isSameTurn) this.#warn(conn);
      conn.close(NORMAL, isSameTurn ? RETURNED : "");
    } catch (error) {
      await this.fail(conn, error);
    }
  }

  /** Ends `conn` with 1011 and reports `error`, unless the error says only that the Conn has ended. Never rejects. */
  async fail(conn: ServerConn<In, Out>, error: unknown): Promise<void> {
    if (conn.state !== "closing" && conn.state !== "closed") conn.close(INTERNAL_ERROR);
    else if (isEndOfConn(await conn.closed, error)) return;
    this.report(error, conn);
  }

  /** Calls `onError`. An error of that function itself is printed, because nothing else could take it. */
  report(error: unknown, conn?: ServerConn<In, Out>): void {
    const printFailure = (failure: unknown) => console.error("onError failed:", failure, "It was to report:", error);
    try {
      const result: unknown = this.#onError(error, conn);
      if (isPromise(result)) result.then(undefined, printFailure);
    } catch (failure) {
      printFailure(failure);
    }
  }

  /** Warns once of a function that closes each Conn at once, as `async (conn) => { setInterval(…) }` does. */
  #warn(conn: ServerConn<In, Out>): void {
    if (this.#hasWarned || process.env.NODE_ENV === "production" || isEnding(conn)) return;
    this.#hasWarned = true;
    process.emitWarning(
      "The handler function returned a promise that resolved at once, which closes the Conn with 1000. " +
        "Return nothing to keep the Conn open, or await its messages.",
      { code: "TAUTLINE_HANDLER_RETURNED" },
    );
  }
}

export function isEnding({ state }: Pick<ServerConn<never, never>, "state">): boolean {
  return state === "closing" || state === "closed";
}

/** Whether `error` says only that the Conn has ended, which is no failure of the function and not reported. */
function isEndOfConn(end: CloseInfo, error: unknown): boolean {
  return error instanceof ConnError && error.code === "closed" && (error === end.error || error.cause === end.error);
}
