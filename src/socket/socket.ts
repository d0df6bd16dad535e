import type { Payload } from "../base/payload.ts";

/** How one connection ended, as far as the platform exposes it. */
export interface ConnectionEnd {
  /** RFC 6455, section 7.4. 1006 where the connection ended without a close frame. */
  readonly code: number;
  /** The reason that came with the code, `""` for none. */
  readonly reason: string;
  /** Whether the closing handshake was completed. */
  readonly clean: boolean;
  /** HTTP status of a refused upgrade, where the platform exposes it (Node). */
  readonly status?: number | undefined;
  /** The `Retry-After` header of a refused upgrade, where the platform exposes it (Node). RFC 9110, section 10.2.3. */
  readonly retryAfter?: string | undefined;
  /** The error, where the platform exposes it. */
  readonly cause?: unknown;
}

/** The callbacks of a connection. None is called after `onEnd()`, and none once the connection is abandoned. */
export interface SocketOwner {
  onOpen(protocol: string, extensions: string): void;
  /** Called with a message, and with the time at which it was read, in milliseconds of `Date.now()`; default now. */
  onMessage(payload: Payload, readAt?: number): void;
  onEnd(ending: ConnectionEnd): void;
  onPong(): void;
}

/** One connection. Methods that the platform can't support are missing. */
export interface Socket {
  readonly bufferedAmount: number;
  /**
   * Takes the message, or returns false where the connection is not open any more. Bytes are copied where the platform keeps
   * them, unless they are constant.
   */
  write(payload: Payload, options?: { readonly isConstant?: boolean }): boolean;
  /** Resolves when `bufferedAmount` is at most `bytes`, or the connection is left. */
  drain(bytes: number): Promise<void>;
  /** Starts the closing handshake (RFC 6455, section 7.1.2). */
  close(code: number, reason: string): void;
  /** Ends the connection without waiting for the peer, with a close frame first where one is given and can be sent. */
  abandon(code?: number, reason?: string): void;
  /** Calls `owner` from here on, in place of the owner that it had. */
  handOver(owner: SocketOwner): void;
  /** Returns a number that changes with all traffic on the connection. */
  activity(): number;
  ping?(): void;
  pong?(): void;
  /** Pauses or resumes reading. Each returns whether it can. */
  pause?(): boolean;
  resume?(): boolean;
}

/** The URL of a connection, and what the upgrade request carries. */
export interface Target {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string>> | undefined;
}

export interface SocketOptions {
  readonly maxPayloadBytes: number;
  /** Node only: milliseconds that a closing handshake may take, from either side. */
  readonly closeTimeoutMs: number;
  readonly WebSocket: WebSocketConstructor | undefined;
  readonly origin: string | undefined;
  readonly clientOptions: object | undefined;
}

/** The part of the WHATWG interface that is relied on. */
export interface WebSocketLike {
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Takes a message. */
  send(data: string): void;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
}

/** A WebSocket class to use in place of the platform's. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;
