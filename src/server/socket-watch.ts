import type { Duplex } from "node:stream";

const ignore = () => {};

/** Keeps errors of `socket` handled, because an error without a listener ends the process. */
export function ignoreErrors(socket: Duplex): void {
  if (!socket.listeners("error").includes(ignore)) socket.on("error", ignore);
}

/** Removes the listener of {@link ignoreErrors}, once another owner handles the errors. */
export function releaseErrors(socket: Duplex): void {
  socket.off("error", ignore);
}

/**
 * Calls `onGone` once when the peer ends or resets the connection, which a socket that is not read does not notice. Early
 * data stays in the socket's buffer, up to its high-water mark. Returns a function that stops watching, and resolves when
 * the socket can be given to another reader.
 */
export function watchForEnd(socket: Duplex, onGone: () => void): () => Promise<void> {
  const onReadable = () => {
    // A read of the empty buffer is needed for `end`; data is left for the next reader.
    if (socket.readableLength === 0) socket.read();
  };
  const onEnd = () => {
    unsubscribe();
    onGone();
  };
  const unsubscribe = () => {
    socket.off("readable", onReadable).off("end", onEnd).off("close", onEnd);
  };
  socket.on("readable", onReadable).on("end", onEnd).on("close", onEnd);
  if (socket.destroyed) onEnd();
  return async () => {
    unsubscribe();
    // The stream updates its mode in the next tick, and would undo a pause() until then.
    await new Promise((resolve) => setImmediate(resolve));
  };
}
