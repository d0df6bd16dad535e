import { NORMAL, RESUME_PROTOCOL_ERROR } from "../../base/close-codes.ts";
import { ConnError, type ConnErrorCode } from "../../base/errors.ts";
import type { Payload } from "../../base/payload.ts";
import type { Transport } from "../../core/outbox.ts";
import type { SessionOwner } from "../../core/session.ts";
import { Endpoint } from "../../resume/endpoint.ts";
import { encode, type SessionEndReason } from "../../resume/protocol/control.ts";
import type { ResumePlan } from "../../resume/protocol/delivery-state.ts";
import type { SessionRecord } from "../../resume/server/server-handshake.ts";
import type { CloseBody } from "../../whatwg/arguments.ts";
import type { FakeCloseInfo, FakeLine, LineServer } from "./fake-line.ts";

/** The server's end of one session, over the lines on which its client connects and returns. */
export class FakeSession implements SessionOwner, LineServer {
  readonly record: SessionRecord;
  /** Always empty, because the test gets each message at once. */
  readonly inbox = { length: 0 };
  readonly #endpoint: Endpoint;
  #line: FakeLine | undefined;
  #connection: LineServer | undefined;
  /** Where messages are written, while a line is there. */
  #transport: Transport | undefined;
  /** Messages that wait for a line, or for the client's window. */
  readonly #queue: Payload[] = [];
  #isDraining = false;
  /** The close frame to send when nothing waits. */
  #closing: CloseBody | undefined;

  constructor(record: SessionRecord) {
    this.record = record;
    this.#endpoint = new Endpoint(this, { acksConsumed: false });
  }

  /** Continues the session over `line`; `plan` is what a client that returned has not received. */
  attach(line: FakeLine, connection: LineServer, plan: ResumePlan | undefined): void {
    const { delivery } = this.record;
    this.#line = line;
    this.#connection = connection;
    line.serve(this);
    if (plan) {
      this.#endpoint.sender.applyResume(plan);
      line.send(encode({ type: "A", rx: delivery.received }));
    }
    this.#endpoint.open(toTransport(line));
    this.#transport = this.#endpoint.attach(delivery);
    if (plan) this.#endpoint.resume(plan);
    this.#endpoint.sender.activate();
    this.#drain();
  }

  onOutcome(): void {}

  /** Leaves the line, which another one replaces. */
  detach(code: number): void {
    this.#line?.leave(code);
  }

  /** Sends a message, now or when there is a line. Returns false where the session is over. */
  send(payload: Payload): boolean {
    if (this.record.outcome || this.#closing) return false;
    this.#queue.push(payload);
    this.#drain();
    return true;
  }

  /** Closes the line after all that was sent, and ends the session. */
  close(body: CloseBody): void {
    this.#closing ??= body;
    this.#drain();
  }

  /** Ends the session. `outcome` answers a client that returns. */
  end(outcome: "ended" | SessionEndReason): void {
    if (this.record.outcome) return;
    this.record.outcome = outcome;
    this.#endpoint.dispose((payload) => this.createError("closed", "The session has ended.", payload), false);
    // A client that returns late needs only the count of received messages.
    Object.assign(this.record.delivery, { retained: [], start: 0, cost: 0 });
  }

  // Called by the line.

  onMessage(payload: Payload): void {
    const message = this.#endpoint.receive(payload);
    if (message !== undefined) this.#connection?.onMessage(message);
  }

  onEnd(info: FakeCloseInfo): void {
    const connection = this.#connection;
    this.#line = this.#connection = this.#transport = undefined;
    this.#endpoint.onDisconnected();
    if (info.wasClean && info.code === NORMAL) this.end("ended");
    connection?.onEnd(info);
  }

  // Called by the endpoint.

  onPong(): void {}

  onSessionLost(): void {}

  onRefused(): void {}

  onProtocolError(why: string): void {
    this.#line?.closeFromServer({ code: RESUME_PROTOCOL_ERROR, reason: why });
    this.end("u");
  }

  onMoveRequested(): void {}

  createError(code: ConnErrorCode, message?: string, payload?: Payload): ConnError {
    return new ConnError(code, message, { payload });
  }

  /** Writes the messages that wait, as far as the client's window has room, and then sends the close frame of `close()`. */
  #drain(): void {
    const transport = this.#transport;
    while (transport && this.#queue.length > 0 && transport.bufferedAmount === 0) {
      if (!transport.write(this.#queue[0] as Payload)) return;
      this.#queue.shift();
    }
    if (transport && this.#queue.length > 0) return this.#awaitRoom(transport);
    if (!this.#closing) return;
    this.#endpoint.beforeClose();
    this.#line?.closeFromServer(this.#closing);
    this.end(this.#closing.code === NORMAL ? "ended" : "e");
  }

  #awaitRoom(transport: Transport): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    transport.drain(0).then(() => {
      this.#isDraining = false;
      this.#drain();
    });
  }
}

function toTransport(line: FakeLine): Transport {
  return {
    bufferedAmount: 0,
    write(payload) {
      if (!line.isWritable) return false;
      line.send(payload);
      return true;
    },
    drain: () => Promise.resolve(),
  };
}
