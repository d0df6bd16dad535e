import type { ConnError, ConnErrorCode } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOptions, SendOutcome } from "../base/send-options.ts";
import type { Transport } from "./outbox.ts";

/** A session on a fresh connection. */
export interface SessionStart {
  /** The transport for all messages from here on: the connection itself, or a wrapper of it. */
  readonly transport: Transport;
  /** The subprotocol without the part that belongs to the session; `""` for none. */
  readonly protocol: string;
  /** Whether the session continues an earlier one, so that no message is lost. */
  readonly resumed: boolean;
  /** Whether a session is in force. Default false. */
  readonly session?: boolean;
}

/** The messages that were not acknowledged when a session was lost, by what is known of each, in order. */
export interface SessionLoss<T = Payload> {
  /** The peer had received these messages. */
  readonly delivered: readonly T[];
  /** The peer had not received these messages: the Conn sends them in the next session. */
  readonly undelivered: readonly T[];
  /** The peer may have received these messages. The Conn sends again only those with the option `resend`. */
  readonly inDoubt: readonly T[];
}

/** The messages that a session had not delivered at the end of the Conn, in order. */
export interface Undelivered {
  /** Certainly not delivered. */
  readonly unsent: readonly Payload[];
  readonly inDoubt: readonly Payload[];
}

/** The part of a Conn that a session needs. */
export interface SessionOwner {
  /** Messages that the application has not consumed yet. */
  readonly inbox: { readonly length: number };
  /** Called when the peer answered a ping. */
  onPong(): void;
  onSessionLost(report: SessionLoss): void;
  /** Called when a message will not be sent. */
  onRefused(payload: Payload, error: ConnError): void;
  /** Reports the outcome of a message to the listener of its sender. */
  onOutcome(listener: SendOptions["onOutcome"], outcome: SendOutcome, error?: ConnError): void;
  /** Called when the peer broke the protocol: the connection ends, and the Conn with it. */
  onProtocolError(why: string): void;
  /** Called when the peer asks for another connection. */
  onMoveRequested(): void;
  createError(code: ConnErrorCode, message?: string, payload?: Payload): ConnError;
}

/**
 * The port of a resume layer. On each connection the core calls `protocolsToOffer()` before the dial, `start()` when the
 * socket is open, `activate()` when setup is over, `receive()` for every payload, and `onDisconnected()` at the end.
 */
export interface Session {
  /** Returns the subprotocols to offer, given those of the application. */
  protocolsToOffer(protocols: readonly string[]): readonly string[];
  /** Called when the handshake failed, with the HTTP status where the platform has it. Returns whether to dial at once. */
  onHandshakeFailed(cause: unknown, status: number | undefined): boolean;
  /**
   * Starts the session. Settles when messages may flow; with `undefined` where another dial at once is needed.
   * `protocol` is the subprotocol that the server selected, `""` for none.
   */
  start(transport: Transport, protocol: string): SessionStart | Promise<SessionStart | undefined>;
  activate(): void;
  /** Returns the payload for the application, or `undefined` for a control frame of the session. */
  receive(payload: Payload): Payload | undefined;
  /** Called when the application may have consumed messages. */
  onConsumed(): void;
  onDisconnected(): void;
  /** Resolves when all written messages are acknowledged; rejects where an acknowledgement can never come. */
  flush(): Promise<void>;
  /** Called before our close frame with this code: the session receives nothing from here on. */
  beforeClose(code: number): void;
  /** Ends the session with its Conn. `error` makes the errors of pending calls; `isByPeer` and `code` tell how it ended. */
  dispose(error: (payload?: Payload) => ConnError, isByPeer: boolean, code: number): Undelivered;
  /** Whether there is a session that the next connection can resume. */
  readonly isInForce: boolean;
  /** Messages that were written and are not acknowledged, and their bytes. */
  readonly unacknowledged: { readonly messages: number; readonly bytes: number };
}

/** Creates the session of one Conn. */
export type Resume = (owner: SessionOwner) => Session;

const NOTHING: readonly Payload[] = [];

/** No session: no message is retained, and none is changed. */
export const noSession: Session = {
  protocolsToOffer: (protocols) => protocols,
  onHandshakeFailed: () => false,
  start: (transport, protocol) => ({ transport, protocol, resumed: false }),
  activate() {},
  receive: (payload) => payload,
  onConsumed() {},
  onDisconnected() {},
  flush: () => Promise.resolve(),
  beforeClose() {},
  dispose: () => ({ unsent: NOTHING, inDoubt: NOTHING }),
  isInForce: false,
  unacknowledged: { messages: 0, bytes: 0 },
};
