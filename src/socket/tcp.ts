/** The TCP socket under a connection, which `ws` exposes with the `upgrade` event, and Node with the request. */
export interface Tcp {
  readonly bytesRead: number;
  readonly writableLength: number;
  readonly destroyed: boolean;
  /** Node's own way to distinguish a slow write from a stuck one (net.Socket, timeout). TLS has it one level below. */
  readonly _handle?: (WriteQueue & { readonly _parent?: WriteQueue }) | null;
  write(data: string | Uint8Array, done?: () => void): boolean;
  end(): unknown;
  cork?(): void;
  uncork?(): void;
  setKeepAlive(enable: boolean, initialDelayMs: number): void;
}

interface WriteQueue {
  readonly writeQueueSize?: number;
}
