import type { Payload } from "../base/payload.ts";
import type { CloseBody } from "./arguments.ts";

/** The carrier of a socket's messages. */
export interface Link {
  /** Bytes that were given to `transmit()` and have not left. */
  readonly unsentBytes: number;
  /** Whether messages are taken while connecting; a WebSocket to the letter throws then. */
  readonly isQueueing?: boolean;
  /** The URL of the connection, as parsed; `""` while it is not known. */
  readonly url: string;
  /** The protocol and extensions of a connection that is there from the start. */
  readonly agreed?: { readonly protocol: string; readonly extensions: string } | undefined;
  transmit(payload: Payload): void;
  /** Closes the connection after all that was transmitted, or gives up while connecting. Ends with `onEnd()`. */
  close(body: CloseBody): void;
}

/** The callbacks of a link. No callback is called before the function that made the link has returned. */
export interface LinkOwner {
  /** Called when the connection is established. */
  onOpen(protocol: string, extensions: string): void;
  /** Called when a message has come. */
  onMessage(payload: Payload): void;
  /** Called when the peer has begun to close. */
  onClosing(): void;
  /** Whether the socket is closing: its `close()` may wait for a Blob. */
  isClosing(): boolean;
  /** Called when the connection has ended, or could not be established. */
  onEnd(end: LinkEnd): void;
  /** Called when a link that reconnects has lost its connection or an attempt, and tries again. `end` says how, where it is known. */
  onDisconnected(end: LinkEnd | undefined): void;
  /** Called when a message was given up, and nothing else ends with it. */
  onError(failure: LinkFailure): void;
}

/** How a connection ended. */
export interface LinkEnd {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  /** The details of an `error` event before `close`; undefined for no such event. */
  readonly failure?: LinkFailure | undefined;
}

/** The details of an `error` event, as far as they are known. */
export interface LinkFailure {
  readonly error?: unknown;
  readonly message?: string;
}

/** Begins to connect. */
export type Connect = (owner: LinkOwner) => Link;

/** Returns the details of an error. */
export function toFailure(error: unknown): LinkFailure {
  return error instanceof Error ? { error, message: error.message } : {};
}
