import type { Supervisor } from "./supervisor.ts";

/** The size of a queue. */
export interface QueueSize {
  /** The number of messages. */
  readonly messages: number;
  /** Bytes of the messages, as the bound of the queue counts them. */
  readonly bytes: number;
}

/** Figures since the Conn was made, and the queues of this moment. */
export interface Stats {
  /** Messages that the Conn handed to a connection, not counting those that `setup` sends. */
  readonly sent: number;
  /** Messages that came for the application. */
  readonly received: number;
  /** When the peer's last message or pong came, in milliseconds of `Date.now()`; null for never. */
  readonly lastReceivedAt: number | null;
  /** Messages thrown away by `inbox: false`. */
  readonly discarded: number;
  /** Connections that became usable. */
  readonly opens: number;
  /** Messages that wait to be written. */
  readonly outbox: QueueSize;
  /** Messages that wait to be received. */
  readonly inbox: QueueSize;
  /** Messages that were written and are not acknowledged by the peer (resume). */
  readonly unacknowledged: QueueSize;
  /** Bytes that the connection has taken and not yet handed to the network. */
  readonly bufferedAmount: number;
}

/** Returns the figures of this moment. */
export function statsOf<In, Out>({ flow, history }: Supervisor<In, Out>): Stats {
  const { outbox, inbox, session } = flow;
  return {
    sent: outbox.written,
    received: flow.receivedCount,
    lastReceivedAt: flow.lastReceivedAt || null,
    discarded: inbox.discarded,
    opens: history.opens,
    outbox: { messages: outbox.length, bytes: outbox.bytes },
    inbox: { messages: inbox.length, bytes: inbox.bytes },
    unacknowledged: session.unacknowledged,
    bufferedAmount: flow.bufferedAmount,
  };
}
