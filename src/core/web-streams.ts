import { ConnError } from "../base/errors.ts";

/** What `readable()` needs of a Conn. */
export interface ReadableConn<In> {
  /** The messages, as iteration of the Conn gives them. */
  [Symbol.asyncIterator](): AsyncIterator<In>;
}

/** What `writable()` needs of a Conn. */
export interface WritableConn<Out> {
  /** As `conn.send()`: settles when the connection has room for more. */
  send(value: Out): Promise<void>;
  /** As `conn.close()`: after what was sent. */
  close(): Promise<unknown>;
  /** As `conn.closed`: its error is the stream's. */
  readonly closed: Promise<{
    /** Why the Conn ended, unless it ended well. */
    readonly error?: ConnError | undefined;
  }>;
}

/**
 * The messages of `conn` as a web stream (WHATWG Streams), with true backpressure: nothing is pulled without a reader.
 * It ends and fails as iteration of `conn` does. `cancel()` lets go of the Conn and does not close it.
 */
export function readable<In>(conn: ReadableConn<In>): ReadableStream<In> {
  const messages = conn[Symbol.asyncIterator]();
  return new ReadableStream<In>(
    {
      async pull(controller) {
        const { done, value } = await messages.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await messages.return?.();
      },
    },
    // The default pulls one message before anybody reads.
    { highWaterMark: 0 },
  );
}

/**
 * A web stream into `conn`: each chunk is sent, and the next is asked for when the connection has taken it and has room.
 * `close()` closes the Conn, after what was written; so does `abort()`. The stream fails when the Conn ends.
 */
export function writable<Out>(conn: WritableConn<Out>): WritableStream<Out> {
  return new WritableStream<Out>({
    start(controller) {
      conn.closed.then(({ error }) => controller.error(error ?? new ConnError("closed")));
    },
    async write(value) {
      await conn.send(value);
    },
    async close() {
      await conn.close();
    },
    async abort() {
      await conn.close();
    },
  });
}
