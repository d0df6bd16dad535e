import { ConnError } from "./errors.ts";

/** What `readable()` needs of a Conn. */
export interface ReadableConn<In> {
  [Symbol.asyncIterator](): AsyncIterator<In>;
}

/** What `writable()` needs of a Conn. */
export interface WritableConn<Out> {
  send(value: Out): Promise<void>;
  close(): Promise<unknown>;
  readonly closed: Promise<{ readonly error?: ConnError | undefined }>;
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
