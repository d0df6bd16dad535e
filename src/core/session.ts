import type { ConnError, ConnErrorCode } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOptions, SendOutcome } from "../base/send-options.ts";
import type { Transport } from "./outbox.ts";

/** How a session took to a fresh connection. */
export interface SessionStart {
  /** What to write to from here on: the connection itself, or a wrapping of it. */
  readonly transport: Transport;
  /** The subprotocol as the application knows it. */
  readonly protocol: string;
  /** Whether messages go on from where they stood. */
  readonly resumed: boolean;
  /** Whether a session is in force. Default false. */
  readonly session?: boolean;
}

/** What became of the messages that a lost session had not seen acknowledged, each in order. */
export interface SessionLoss<T = Payload> {
  /** The peer had counted them. */
  readonly delivered: readonly T[];
  /** The peer had not counted them: they are sent in the next session. */
  readonly undelivered: readonly T[];
  /** Nobody knows. They are sent again only where `resend` said so. */
  readonly inDoubt: readonly T[];
}

/** What a session did not get through by the end of the Conn, in order. */
export interface Undelivered {
  /** Certainly not delivered. */
  readonly unsent: readonly Payload[];
  readonly inDoubt: readonly Payload[];
}

/** What a session needs of the Conn. */
export interface SessionOwner {
  /** What the application has not taken in yet. */
  unconsumed(): { readonly messages: number; readonly bytes: number };
  /** The peer answered a ping. */
  onPong(): void;
  onSessionLost(report: SessionLoss): void;
  onDropped(payload: Payload, why: ConnError): void;
  /** Reports what became of a message to its sender. */
  onOutcome(listener: SendOptions["onOutcome"], outcome: SendOutcome, error?: ConnError): void;
  /** The peer broke the rules: the connection ends, and the Conn with it. */
  onProtocolError(why: string): void;
  /** The peer asks for another connection. */
  onMoveRequested(): void;
  createError(code: ConnErrorCode, message: string, payload?: Payload): ConnError;
}

/**
 * What a resume layer may do. On each connection the core calls `offer` before the dial, `begin` when the socket is
 * open, `serve` when setup is over, `incoming` for every payload, and `left` when the connection is gone.
 */
export interface Session {
  /** The subprotocols to offer, given the application's own. */
  protocolsToOffer(protocols: readonly string[]): readonly string[];
  /** The handshake failed, with an HTTP status where the platform tells it. Answers whether to dial again at once. */
  onHandshakeFailed(cause: unknown, status: number | undefined): boolean;
  /**
   * Settles when messages may flow; with `undefined` where another dial at once tells more. `protocol` is what the
   * server selected, `""` for none.
   */
  start(line: Transport, protocol: string): SessionStart | Promise<SessionStart | undefined>;
  activate(): void;
  /** The payload as the application sees it, or `undefined` for one that was the session's own. */
  receive(payload: Payload): Payload | undefined;
  /** The application may have taken messages in. */
  onConsumed(): void;
  onDisconnected(): void;
  /** Resolves when all that was written is acknowledged; rejects where that will never be known. */
  flush(): Promise<void>;
  /** Before our close frame with this code: nothing is taken in from here on. */
  beforeClose(code: number): void;
  /** The Conn has ended, closed by the peer or not, with this code; `error` is what those who wait get. */
  dispose(error: (payload?: Payload) => ConnError, isByPeer: boolean, code: number): Undelivered;
  /** Whether there is a session that the next connection can resume. */
  readonly isInForce: boolean;
  /** What was written and is not acknowledged. */
  readonly unacknowledged: { readonly messages: number; readonly bytes: number };
}

/** Makes the session of one Conn. */
export type Resume = (owner: SessionOwner) => Session;

const NOTHING: readonly Payload[] = [];

/** No session: nothing is kept, nothing is changed. */
export const noSession: Session = {
  protocolsToOffer: (protocols) => protocols,
  onHandshakeFailed: () => false,
  start: (line, protocol) => ({ transport: line, protocol, resumed: false }),
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
