import type { Payload } from "../base/payload.ts";

/** How one connection ended, as far as the platform tells. */
export interface ConnectionEnd {
  /** RFC 6455, section 7.4. 1006 where the connection ended without a close frame. */
  readonly code: number;
  /** The reason that came with the code, `""` for none. */
  readonly reason: string;
  /** Whether the closing handshake was completed. */
  readonly clean: boolean;
  /** HTTP status of a refused upgrade, where the platform tells it (Node). */
  readonly status?: number | undefined;
  /** The `Retry-After` header of a refused upgrade, where the platform tells it (Node). RFC 9110, section 10.2.3. */
  readonly retryAfter?: string | undefined;
  /** What went wrong, where the platform tells it. */
  readonly cause?: unknown;
}

/** What a connection tells its owner. Nothing comes after `ended`, and nothing at all once it is abandoned. */
export interface SocketOwner {
  onOpen(protocol: string, extensions: string): void;
  onMessage(payload: Payload): void;
  onEnd(ending: ConnectionEnd): void;
  onPong(): void;
}

/** One connection. What a platform can't do is missing. */
export interface Socket {
  readonly bufferedAmount: number;
  /** Takes the message, or answers false where the connection is not open any more. */
  write(payload: Payload): boolean;
  /** Resolves when `bufferedAmount` is at most `bytes`, or the connection is left. */
  drain(bytes: number): Promise<void>;
  /** Starts the closing handshake (RFC 6455, section 7.1.2). */
  close(code: number, reason: string): void;
  /** Ends the connection without waiting for the peer, with a close frame first where one is given and can be sent. */
  abandon(code?: number, reason?: string): void;
  /** Calls `owner` from here on, in place of the owner that it had. */
  handOver(owner: SocketOwner): void;
  /** A figure that changes whenever something moves. */
  activity(): number;
  ping?(): void;
  pong?(): void;
  /** Reads no more, or reads again. Each answers whether it can. */
  pause?(): boolean;
  resume?(): boolean;
}

/** Where a connection goes, and what it says of itself. */
export interface Target {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string>> | undefined;
}

export interface SocketOptions {
  readonly maxPayloadBytes: number;
  /** Node only: how long a closing handshake may take, whoever began it. */
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
