/** The TCP socket under a connection, which `ws` exposes with the `upgrade` event, and Node with the request. */
export interface Tcp {
  readonly bytesRead: number;
  readonly writableLength: number;
  readonly destroyed: boolean;
  /** Node's own way to distinguish a slow write from a stuck one (net.Socket, timeout). TLS has it one level below. */
  readonly _handle?: (WriteQueue & { readonly _parent?: WriteQueue }) | null;
  write(data: string | Uint8Array, done?: () => void): boolean;
  end(): unknown;
  destroy(): unknown;
  cork?(): void;
  uncork?(): void;
  setKeepAlive(enable: boolean, initialDelayMs: number): void;
  // biome-ignore lint/suspicious/noExplicitAny: a listener of its own kind: its socket and its bytes
  on(event: "data", listener: (this: any, chunk: any) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  removeListener(event: "data", listener: (this: any, chunk: any) => void): unknown;
  // biome-ignore lint/complexity/noBannedTypes: the type that Node gives listeners
  listeners(event: "data"): Function[];
}

interface WriteQueue {
  readonly writeQueueSize?: number;
}
