import { ABNORMAL } from "../base/close-codes.ts";
import { byteLength, type Payload } from "../base/payload.ts";
import { type CloseBody, domError, isBlob, parseClose, toData } from "./arguments.ts";
import { SocketEventTarget } from "./event-target.ts";
import {
  createEvent,
  type EventKind,
  type SocketCloseEvent,
  type SocketErrorEvent,
  type SocketEvent,
  type SocketMessageEvent,
} from "./events.ts";
import { type Connect, type Link, type LinkEnd, toFailure } from "./link.ts";
import { inMicrotask } from "./microtask.ts";

/** The events of a socket, by name. */
export interface SocketEvents {
  /** The connection is established. */
  open: SocketEvent;
  /** A message has come. */
  message: SocketMessageEvent;
  /** The connection failed; `close` comes next. */
  error: SocketErrorEvent;
  /** The connection has ended. */
  close: SocketCloseEvent;
}

/** A handler attribute such as `onmessage`: a function, or null for none. */
export type SocketHandler<E> = ((event: E) => unknown) | null;

const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;
const { CONNECTING, OPEN, CLOSING, CLOSED } = STATES;

/** The scheme, and the host with its port, of a URL as parsed. */
const ORIGIN = /^(\w+:\/\/)(?:[^/?#]*@)?([^/?#]*).*/s;

/**
 * The WebSocket interface of WHATWG (websockets.spec.whatwg.org, section 3) over any link. Nothing of the platform is
 * needed; DOMException, Blob and the platform's event classes are used where there are any.
 */
export class StandardWebSocket extends SocketEventTarget<SocketEvents> {
  /** The connection is not yet established. */
  declare static readonly CONNECTING: 0;
  /** Messages can be sent. */
  declare static readonly OPEN: 1;
  /** The closing handshake is underway. */
  declare static readonly CLOSING: 2;
  /** The connection has ended, or could not be established. */
  declare static readonly CLOSED: 3;
  /** The connection is not yet established. */
  declare readonly CONNECTING: 0;
  /** Messages can be sent. */
  declare readonly OPEN: 1;
  /** The closing handshake is underway. */
  declare readonly CLOSING: 2;
  /** The connection has ended, or could not be established. */
  declare readonly CLOSED: 3;

  /** Called when the connection is established. A function or null, as each handler attribute. */
  declare onopen: SocketHandler<SocketEvents["open"]>;
  /** Called when a message has come. */
  declare onmessage: SocketHandler<SocketEvents["message"]>;
  /** Called when the connection failed, before `onclose`. */
  declare onerror: SocketHandler<SocketEvents["error"]>;
  /** Called when the connection has ended. */
  declare onclose: SocketHandler<SocketEvents["close"]>;

  static {
    for (const [name, value] of Object.entries(STATES)) {
      for (const place of [StandardWebSocket, StandardWebSocket.prototype]) {
        Object.defineProperty(place, name, { value, enumerable: true });
      }
    }
  }

  #readyState: number = CONNECTING;
  #protocol = "";
  #extensions = "";
  #origin = "";
  #binaryType: "blob" | "arraybuffer" = "blob";
  readonly #link: Link;
  /** A Blob that is being read, and the messages and the close behind it. Replaced by another array to forget them. */
  #waiting: (Payload | Blob | CloseBody)[] = [];
  #waitingBytes = 0;
  /** Bytes that were given to `send()` while closing or closed: `bufferedAmount` counts them for good (WHATWG). */
  #refusedBytes = 0;
  /** The unsent bytes of the present turn, which only grow; 0 in a turn without a `send()`. */
  #turnBytes = 0;

  constructor(connect: Connect) {
    super();
    this.#link = connect({
      onOpen: (protocol, extensions) => this.#onOpen(protocol, extensions),
      onMessage: (payload) => this.#onMessage(payload),
      onClosing: () => this.#onClosing(),
      isClosing: () => this.#readyState === CLOSING,
      onEnd: (end) => this.#onEnd(end),
      onDisconnected: (end) => this.#onDisconnected(end),
      onError: (failure) => this.#dispatch("Event", "error", failure),
    });
    const { agreed } = this.#link;
    if (agreed) this.#agree(agreed.protocol, agreed.extensions);
  }

  /** The name of the interface. */
  get [Symbol.toStringTag](): string {
    return "WebSocket";
  }

  /** The URL, as parsed. */
  get url(): string {
    return this.#link.url;
  }

  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): number {
    return this.#readyState;
  }

  /** The subprotocol that the server selected, `""` for none. */
  get protocol(): string {
    return this.#protocol;
  }

  /** The extensions that the server selected, `""` for none. */
  get extensions(): string {
    return this.#extensions;
  }

  /** Bytes that were given to `send()` and have not left. The number does not fall before the end of a turn (WHATWG). */
  get bufferedAmount(): number {
    return (this.#turnBytes || this.#unsentBytes) + this.#refusedBytes;
  }

  /** How bytes are delivered. Default `"blob"`; a value that is neither is ignored. */
  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }
  /** Takes `"blob"` or `"arraybuffer"`, and ignores any other value. */
  set binaryType(value: "blob" | "arraybuffer") {
    if (value === "blob" || value === "arraybuffer") this.#binaryType = value;
  }

  /**
   * Sends a message: a string as text, bytes in a binary frame. Does nothing, silently, once closing or closed.
   *
   * @throws DOMException `InvalidStateError` while connecting
   */
  send(data: string | ArrayBufferLike | ArrayBufferView | Blob): void {
    // biome-ignore lint/complexity/noArguments: Web IDL tells no argument from undefined, which is sent as text
    if (arguments.length === 0) throw new TypeError("send() takes the message to send.");
    const given = toData(data);
    if (this.#readyState === CONNECTING && !this.#link.isQueueing) {
      throw domError("InvalidStateError", "send() must wait for the open event.");
    }
    const bytes = sizeOf(given);
    if (this.#readyState > OPEN) {
      this.#refusedBytes += bytes;
      return;
    }
    this.#countTurn(bytes);
    if (this.#waiting.length > 0 || isBlob(given)) this.#wait(given, bytes);
    else this.#link.transmit(given);
  }

  /**
   * Closes the connection after what was sent. Calls after the first do nothing.
   *
   * @throws DOMException `InvalidAccessError` for a code other than 1000 and 3000 to 4999, `SyntaxError` for a reason of
   * more than 123 bytes of UTF-8
   */
  close(code?: number, reason?: string): void {
    const body = parseClose(code, reason);
    if (this.#readyState > OPEN) return;
    this.#readyState = CLOSING;
    if (this.#waiting.length > 0) this.#waiting.push(body);
    else this.#link.close(body);
  }

  get #unsentBytes(): number {
    return this.#readyState === CLOSED ? 0 : this.#waitingBytes + this.#link.unsentBytes;
  }

  #onOpen(protocol: string, extensions: string): void {
    if (this.#readyState !== CONNECTING) return;
    this.#agree(protocol, extensions);
    this.#dispatch("Event", "open");
  }

  #agree(protocol: string, extensions: string): void {
    this.#readyState = OPEN;
    this.#protocol = protocol;
    this.#extensions = extensions;
    // By its text, because the URL of React Native has no origin.
    this.#origin = this.url.replace(ORIGIN, "$1$2");
  }

  #onMessage(payload: Payload): void {
    if (this.#readyState !== OPEN) return;
    const data = typeof payload === "string" ? payload : this.#toBinary(payload);
    this.#dispatch("MessageEvent", "message", {
      data,
      origin: this.#origin,
      lastEventId: "",
      source: null,
      ports: [],
    });
  }

  #onClosing(): void {
    if (this.#readyState === OPEN) this.#readyState = CLOSING;
  }

  #onEnd(end: LinkEnd): void {
    if (this.#readyState === CLOSED) return;
    this.#refusedBytes += this.#unsentBytes;
    this.#readyState = CLOSED;
    this.#forgetWaiting();
    this.#dispatchEnd(end);
  }

  /** Begins anew. The events of the end come in a microtask, because `reconnect()` must not call listeners. */
  #onDisconnected(end: LinkEnd | undefined): void {
    this.#readyState = CONNECTING;
    this.#refusedBytes = 0;
    // Nothing that was meant for the last connection may reach the next one, unless the queue outlives connections.
    if (!this.#link.isQueueing) this.#forgetWaiting();
    if (end) inMicrotask(() => this.#dispatchEnd(end));
  }

  #dispatchEnd({ code, reason, wasClean, failure }: LinkEnd): void {
    if (failure) this.#dispatch("Event", "error", failure);
    this.#dispatch("CloseEvent", "close", { code, reason, wasClean });
  }

  #dispatch(kind: EventKind, type: string, fields?: object): void {
    this.emit(createEvent(kind, type, this, fields));
  }

  #toBinary(payload: Uint8Array): ArrayBuffer | Blob {
    const buffer = payload.slice().buffer as ArrayBuffer;
    return this.#binaryType === "blob" && typeof Blob === "function" ? new Blob([buffer]) : buffer;
  }

  #countTurn(bytes: number): void {
    if (this.#turnBytes === 0) {
      this.#turnBytes = this.#unsentBytes;
      inMicrotask(() => {
        this.#turnBytes = 0;
      });
    }
    this.#turnBytes += bytes;
  }

  #wait(given: Payload | Blob, bytes: number): void {
    this.#waiting.push(given);
    this.#waitingBytes += bytes;
    if (this.#waiting.length === 1) this.#transmitWaiting();
  }

  /** Transmits the messages that wait, in order. A Blob must be read first, and later messages wait meanwhile. */
  async #transmitWaiting(): Promise<void> {
    const waiting = this.#waiting;
    try {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        const ready = isBlob(next) ? await readBlob(next) : next;
        if (waiting !== this.#waiting) return;
        waiting.shift();
        if (typeof ready === "object" && "code" in ready) return this.#link.close(ready);
        this.#waitingBytes -= byteLength(ready);
        this.#link.transmit(ready);
      }
    } catch (error) {
      // A Blob that can't be read or sent ends the connection, because what was sent after it may not overtake it.
      if (waiting === this.#waiting) this.#fail(error);
    }
  }

  #forgetWaiting(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #fail(error: unknown): void {
    this.#link.close({ code: undefined, reason: "" });
    this.#onEnd({ code: ABNORMAL, reason: "", wasClean: false, failure: toFailure(error) });
  }
}

function sizeOf(data: Payload | Blob): number {
  return isBlob(data) ? data.size : byteLength(data);
}

async function readBlob(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await (blob.arrayBuffer ? blob.arrayBuffer() : readFile(blob)));
}

/** Reads a Blob of jsdom or an old browser. */
function readFile(blob: Blob): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(blob);
  });
}
