import { ABNORMAL, NO_STATUS } from "../../base/close-codes.ts";
import { byteLength, type Payload } from "../../base/payload.ts";
import type { CloseBody, SocketTarget } from "../../whatwg/arguments.ts";
import type { Link, LinkEnd, LinkOwner } from "../../whatwg/link.ts";
import { inMicrotask } from "../../whatwg/microtask.ts";
import { Pipe } from "./pipe.ts";

/** How a connection ended, as its server sees it. */
export interface FakeCloseInfo {
  /** The code of the client's close frame, 1005 for a frame without one, 1006 where no close frame came. */
  readonly code: number;
  /** The reason of the client's close frame, `""` for none. */
  readonly reason: string;
  /** Whether the closing handshake was completed. */
  readonly wasClean: boolean;
}

/** The server's end of a line. */
export interface LineServer {
  onMessage(payload: Payload): void;
  /** Called once, when nothing more will come. */
  onEnd(info: FakeCloseInfo): void;
}

type Frame =
  | { readonly type: "open"; readonly protocol: string }
  | { readonly type: "data"; readonly payload: Payload }
  | { readonly type: "close"; readonly body: CloseBody }
  /** The end of the TCP connection, after both close frames. */
  | { readonly type: "end" };

type State = "dialing" | "accepted" | "over";

const DROPPED: FakeCloseInfo = { code: ABNORMAL, reason: "", wasClean: false };
const IGNORED: LineServer = { onMessage() {}, onEnd() {} };

/** A connection in memory, from a client's socket to the fake server: both ends, and the faults between them. */
export class FakeLine implements Link {
  readonly target: SocketTarget;
  readonly #client: LinkOwner;
  #server: LineServer = IGNORED;
  #state: State = "dialing";
  /** Whether the client has learned that the line is open. */
  #isOpen = false;
  /** The close frames that have arrived. */
  #closeAtClient: CloseBody | undefined;
  #closeAtServer: CloseBody | undefined;
  #isServerClosing = false;
  #isClientClosing = false;
  #isBlackhole = false;
  #upBytes = 0;
  readonly #up = new Pipe<Frame>((frame) => this.#arriveAtServer(frame));
  readonly #down = new Pipe<Frame>((frame) => this.#arriveAtClient(frame));

  constructor(target: SocketTarget, client: LinkOwner) {
    this.target = target;
    this.#client = client;
  }

  get url(): string {
    return this.target.url;
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Whether the server can still send. */
  get isWritable(): boolean {
    return this.#state === "accepted" && !this.#isServerClosing;
  }

  // The client's end.

  /** 0 in a black hole, because the bytes leave the client and arrive nowhere. */
  get unsentBytes(): number {
    return this.#isBlackhole ? 0 : this.#upBytes;
  }

  transmit(payload: Payload): void {
    if (this.isOver) return;
    this.#upBytes += byteLength(payload);
    this.#up.push({ type: "data", payload });
  }

  close(body: CloseBody): void {
    if (this.isOver) return;
    if (this.#isOpen) {
      this.#isClientClosing = true;
      this.#up.push({ type: "close", body });
      return;
    }
    this.#end({ ...DROPPED, failure: { message: "The connection was closed before it was established." } });
  }

  // The server's end.

  accept(server: LineServer, protocol: string): void {
    this.#server = server;
    this.#state = "accepted";
    this.#down.push({ type: "open", protocol });
  }

  /** Hands the server's end to another. */
  serve(server: LineServer): void {
    this.#server = server;
  }

  /** Fails the handshake. */
  fail(failure: { readonly error?: unknown; readonly message?: string }): void {
    this.#end({ ...DROPPED, failure });
  }

  send(payload: Payload): void {
    if (this.isWritable) this.#down.push({ type: "data", payload });
  }

  closeFromServer(body: CloseBody): void {
    if (!this.isWritable) return;
    this.#isServerClosing = true;
    this.#down.push({ type: "close", body });
  }

  /** Closes, and hands nothing more to the server: another connection has taken the place of this one. */
  leave(code: number): void {
    this.closeFromServer({ code, reason: "" });
    this.#tellServer(DROPPED);
  }

  /** Ends the connection for both, and loses what is underway. */
  drop(): void {
    this.#end(DROPPED);
  }

  // Faults.

  /** Stops the server's reading, until `heal()`. */
  stall(): void {
    this.#up.pause();
  }

  /** Delivers nothing in either direction, until `heal()`. */
  blackhole(): void {
    this.#isBlackhole = true;
    this.#up.pause();
    this.#down.pause();
  }

  heal(): void {
    this.#isBlackhole = false;
    this.#up.resume();
    this.#down.resume();
  }

  #arriveAtServer(frame: Frame): void {
    if (frame.type === "data") {
      this.#upBytes -= byteLength(frame.payload);
      this.#server.onMessage(frame.payload);
    } else if (frame.type === "close") {
      this.#closeAtServer = frame.body;
      if (!this.#isServerClosing) this.closeFromServer(frame.body);
      this.#down.push({ type: "end" });
      this.#tellServer({ ...toInfo(frame.body), wasClean: true });
    }
  }

  #arriveAtClient(frame: Frame): void {
    switch (frame.type) {
      case "open":
        return this.#arriveOpen(frame.protocol);
      case "data":
        return this.#client.onMessage(frame.payload);
      case "close":
        this.#closeAtClient = frame.body;
        this.#client.onClosing();
        // The answer echoes the code (RFC 6455, section 5.5.1).
        if (!this.#isClientClosing) this.#up.push(frame);
        this.#isClientClosing = true;
        return;
      case "end":
        return this.#end({ ...toInfo(this.#closeAtClient), wasClean: this.#closeAtClient !== undefined });
    }
  }

  #arriveOpen(protocol: string): void {
    const { protocols } = this.target;
    if (protocols.length > 0 && !protocols.includes(protocol)) {
      return this.fail({ message: "The server selected none of the offered subprotocols." });
    }
    this.#isOpen = true;
    this.#client.onOpen(protocol, "");
  }

  /** Ends the line. The client learns of it a microtask later, because it may be in the middle of a call. */
  #end(end: LinkEnd): void {
    if (this.isOver) return;
    this.#state = "over";
    this.#up.clear();
    this.#down.clear();
    if (!this.#closeAtServer) this.#tellServer(DROPPED);
    inMicrotask(() => this.#client.onEnd(end));
  }

  #tellServer(info: FakeCloseInfo): void {
    const server = this.#server;
    this.#server = IGNORED;
    server.onEnd(info);
  }
}

function toInfo(body: CloseBody | undefined): { code: number; reason: string } {
  return { code: body ? (body.code ?? NO_STATUS) : ABNORMAL, reason: body?.reason ?? "" };
}
