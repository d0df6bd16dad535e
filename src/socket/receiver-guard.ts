/** The class by which `ws` parses frames: a Writable of Node. */
export interface ReceiverClass {
  readonly prototype: {
    readonly errored?: Error | null;
    _write(chunk: Uint8Array, encoding: string, done: () => void): void;
  };
}

/**
 * Keeps `ws` from parsing what waits behind a frame that it refused.
 *
 * `ws` 8.23 goes on with it where messages take a while, as with `perMessageDeflate` and with `allowSynchronousEvents: false`.
 * There it emits messages behind the error, and behind a close frame with an invalid code it throws, which ends the process.
 */
export function guardReceiver(Receiver: ReceiverClass): void {
  const { prototype } = Receiver;
  const write = prototype._write;
  prototype._write = function (chunk, encoding, done) {
    if (this.errored) done();
    else write.call(this, chunk, encoding, done);
  };
}
