import type { WebSocketConstructor } from "../../src/index.ts";

type Data = string | Uint8Array;

interface Handlers {
  onopen: ((event: object) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror: ((event: { message: string }) => void) | null;
  onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null;
}

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** The network as a test writes it: every WebSocket that was made, oldest first. */
export class FakeNet {
  readonly sockets: FakeSocket[] = [];
  /** The class to pass as the `WebSocket` option. */
  readonly WebSocket: WebSocketConstructor;
  /** Whether peers answer a close frame. When not, `close()` never ends, as in Node and Deno. */
  answersClose = true;
  /** Called for each new socket, before its maker has it. */
  onDial: (socket: FakeSocket) => void = () => {};

  constructor() {
    const net = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url: string, protocols?: string | string[]) {
        super(net, url, protocols);
      }
    };
  }

  /** The socket made last. */
  get last(): FakeSocket {
    return this.at(-1);
  }

  at(index: number): FakeSocket {
    const socket = this.sockets.at(index);
    if (!socket) throw new Error(`No socket ${index}: ${this.sockets.length} were made.`);
    return socket;
  }
}

export function fakeNet(): FakeNet {
  return new FakeNet();
}

/**
 * A WebSocket in memory, as strict as a browser's towards its user (WHATWG WebSockets, section 3), moved by the test
 * as if from the network.
 */
export class FakeSocket implements Handlers {
  onopen: Handlers["onopen"] = null;
  onmessage: Handlers["onmessage"] = null;
  onerror: Handlers["onerror"] = null;
  onclose: Handlers["onclose"] = null;
  binaryType: "blob" | "arraybuffer" = "blob";
  readyState: number = CONNECTING;
  bufferedAmount = 0;
  protocol = "";
  extensions = "";
  readonly url: string;
  readonly protocols: readonly string[];
  /** Messages that the user sent on an open connection. */
  readonly sent: Data[] = [];
  /** Arguments of the user's `close()`: `undefined` until then, `{}` for a close without a code. */
  closedWith: { code?: number; reason?: string } | undefined;
  /** Called after each message sent. */
  onSend: (data: Data) => void = () => {};
  readonly #net: FakeNet;
  #isStalled = false;

  constructor(net: FakeNet, url: string, protocols: string | string[] = []) {
    const { protocol, hash } = new URL(url);
    if (!/^wss?:$/.test(protocol) || hash) throw new DOMException("Bad URL", "SyntaxError");
    this.#net = net;
    this.url = url;
    this.protocols = typeof protocols === "string" ? [protocols] : [...protocols];
    if (new Set(this.protocols).size < this.protocols.length) throw new DOMException("Bad protocols", "SyntaxError");
    net.sockets.push(this);
    net.onDial(this);
  }

  // Called by the library.

  send(data: Data): void {
    if (this.readyState === CONNECTING) throw new DOMException("Still connecting", "InvalidStateError");
    const isText = typeof data === "string";
    const bytes = isText ? new TextEncoder().encode(data).length : data.byteLength;
    if (this.readyState !== OPEN || this.#isStalled) this.bufferedAmount += bytes;
    if (this.readyState !== OPEN) return;
    this.sent.push(isText ? data : data.slice());
    this.onSend(data);
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code < 5000)) {
      throw new DOMException("Bad code", "InvalidAccessError");
    }
    if (new TextEncoder().encode(reason).length > 123) throw new DOMException("Reason too long", "SyntaxError");
    if (this.readyState >= CLOSING) return;
    const wasOpen = this.readyState === OPEN;
    this.readyState = CLOSING;
    this.closedWith = { ...(code !== undefined && { code }), ...(reason && { reason }) };
    if (!this.#net.answersClose) return;
    queueMicrotask(() => {
      if (!wasOpen) this.refuse();
      else if (this.readyState === CLOSING) this.drop(code ?? 1005, reason, true);
    });
  }

  // Called by the test.

  open({ protocol = "", extensions = "" } = {}): void {
    this.#expect(CONNECTING);
    Object.assign(this, { readyState: OPEN, protocol, extensions });
    this.onopen?.({ type: "open" });
  }

  message(data: Data): void {
    this.#expect(OPEN);
    const buffer = () => (data as Uint8Array).slice().buffer as ArrayBuffer;
    const binary = () => (this.binaryType === "blob" ? new Blob([buffer()]) : buffer());
    this.onmessage?.({ data: typeof data === "string" ? data : binary() });
  }

  /** The connection ends: without a close frame by default. */
  drop(code = 1006, reason = "", clean = false): void {
    this.readyState = CLOSED;
    this.onclose?.({ code, reason, wasClean: clean });
  }

  /** An error, and nothing after it: Node 22 leaves a refused connection at that. */
  error(message = "failed"): void {
    this.onerror?.({ message });
  }

  /** Refuses the connection as a browser shows it, whatever the reason. */
  refuse(): void {
    this.readyState = CLOSED;
    this.onerror?.({ message: "" });
    this.onclose?.({ code: 1006, reason: "", wasClean: false });
  }

  /** Ends the connection without an event. */
  die(): void {
    this.readyState = CLOSED;
  }

  /** The peer stops reading with `bytes` in the buffer; 0 lets all go. */
  stall(bytes: number): void {
    this.bufferedAmount = bytes;
    this.#isStalled = bytes > 0;
  }

  #expect(readyState: number): void {
    if (this.readyState !== readyState) throw new Error(`The script is wrong: readyState is ${this.readyState}.`);
  }
}
