import { ConnError } from "../base/errors.ts";

/** The part of a Conn that `readable()` uses. */
export interface ReadableConn<In> {
  /** The messages, as iteration of the Conn gives them. */
  [Symbol.asyncIterator](): AsyncIterator<In>;
}

/** The part of a Conn that `writable()` uses. */
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
 * Creates a web stream of the messages of `conn` (WHATWG Streams), with true backpressure: nothing is pulled without a
 * reader. The stream ends and fails as iteration of `conn` does. `cancel()` leaves the Conn open.
 *
 * @example
 * await readable(conn).pipeThrough(new TextEncoderStream()).pipeTo(file);
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
    // Set, because the default pulls one message before the first read.
    { highWaterMark: 0 },
  );
}

/**
 * Creates a web stream into `conn`: each chunk is sent, and the next is requested when the connection has taken it and has
 * room. `close()` and `abort()` close the Conn, after the chunks that were written. The stream fails when the Conn ends.
 *
 * @example
 * await file.stream().pipeTo(writable(conn));
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
