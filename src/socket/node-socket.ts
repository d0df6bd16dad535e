import { isUtf8 } from "node:buffer";
import { EventEmitter } from "node:events";
import { type ClientRequest, type IncomingMessage, validateHeaderName, validateHeaderValue } from "node:http";
import { ABNORMAL, INVALID_UTF8, isUnclean, PROTOCOL_ERROR } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import { BaseSocket } from "./base-socket.ts";
import type { ConnectionEnd, Socket, SocketOptions, SocketOwner, Target, WebSocketConstructor } from "./socket.ts";
import { constructorOf, openSocket as openWhatwg, requireSupport as requireWhatwg } from "./whatwg-socket.ts";
import { noteWrite, scheduleUncork } from "./write-batch.ts";

/** The TCP socket under a connection, as `ws` hands it out in public: with the `upgrade` event, or the request. */
export interface Tcp {
  readonly bytesRead: number;
  readonly writableLength: number;
  readonly destroyed: boolean;
  /** What Node itself looks at to tell a slow write from a stuck one (net.Socket, timeout); TLS has it one below. */
  readonly _handle?: (WriteQueue & { readonly _parent?: WriteQueue }) | null;
  write(data: string, done: () => void): boolean;
  cork?(): void;
  uncork?(): void;
  setKeepAlive(enable: boolean, initialDelayMs: number): void;
}

interface WriteQueue {
  readonly writeQueueSize?: number;
}

/** The part of `ws` that is relied on. Stand-ins under the same name (Bun's) lack some of it. */
export interface WsSocket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  readonly extensions: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
  ping(): void;
  pong(): void;
  pause?(): void;
  resume?(): void;
  // biome-ignore lint/suspicious/noExplicitAny: each event has arguments of its own
  on(event: string, listener: (this: any, ...given: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  removeListener(event: string, listener: (this: any, ...given: any[]) => void): unknown;
}

type SocketError = Error & { readonly code?: string };
type AdaptedSocket = WsSocket & { readonly [ADAPTER]: NodeSocket };

const CONNECTING = 0;
const OPEN = 1;
const KEEP_ALIVE_MS = 15_000;
/** How long a connection that we left with a close frame may take to end by itself. */
const LINGER_MS = 1_000;

/** Opens a connection over `ws`, or over the class given, with what that class can. */
export function openSocket(target: Target, options: SocketOptions, owner: SocketOwner): Socket {
  const WebSocket = constructorOf(options);
  if (!isWs(WebSocket)) return openWhatwg(target, options, owner);
  const { url, protocols, headers } = target;
  const Ws = WebSocket as unknown as new (url: string, protocols: string[], options: object) => WsSocket;
  const socket = new Ws(url, [...protocols], {
    perMessageDeflate: false,
    closeTimeout: options.closeTimeoutMs,
    // Go's server refuses an upgrade without one.
    origin: options.origin ?? new URL(url).origin.replace(/^ws/, "http"),
    ...options.clientOptions,
    ...(headers && { headers }),
    maxPayload: options.maxPayloadBytes,
    // See isGarbled().
    skipUTF8Validation: true,
  });
  const { generateMask } = (options.clientOptions ?? {}) as { readonly generateMask?: unknown };
  return new NodeSocket(socket, options.maxPayloadBytes, owner, undefined, generateMask !== undefined);
}

/**
 * Refuses options that only `ws` can honour where another class was given, and headers that no request can have. What a
 * header says may be secret, and is not quoted.
 *
 * @throws {@link ConnError} `unsupported`, `bad-option`
 */
export function requireSupport(options: Parameters<typeof requireWhatwg>[0] & Pick<SocketOptions, "WebSocket">): void {
  if (!isWs(constructorOf(options))) return requireWhatwg(options);
  const { headers, origin, clientOptions } = options as Partial<SocketOptions & Target>;
  if (typeof headers === "function") return;
  if (headers && Symbol.iterator in headers) {
    throw new ConnError(
      "bad-option",
      "headers must be an object of names and values, or a function; got a collection.",
    );
  }
  const { headers: others } = (clientOptions ?? {}) as { readonly headers?: object };
  for (const [name, value] of Object.entries({ ...others, ...headers, ...(origin && { origin }) })) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      const what = `${name === "origin" ? "origin" : "headers"} must be what HTTP can carry (RFC 9110, section 5)`;
      throw new ConnError("bad-option", `${what}; got a header ${JSON.stringify(name)} that is not.`);
    }
  }
}

/** By its EventEmitter, which calls listeners with itself: Bun's own WebSocket can be terminated too. */
function isWs(WebSocket: WebSocketConstructor): boolean {
  return "terminate" in WebSocket.prototype && WebSocket.prototype instanceof EventEmitter;
}

/** Where a socket of `ws` knows its adapter. */
const ADAPTER = Symbol("adapter");

/** A connection over `ws`. It pings, can be paused, and writes a turn's messages to the network in one go. */
export class NodeSocket extends BaseSocket {
  /** What `ws` calls, with its socket as `this`: a function for each socket and event would be felt in memory. */
  static readonly #endListeners = Object.entries({
    error(this: AdaptedSocket, error: SocketError) {
      this[ADAPTER].#onError(error);
    },
    close(this: AdaptedSocket, code: number, reason: Uint8Array) {
      this[ADAPTER].#onClose(code, reason);
    },
  });
  /** What comes besides while it is open, and until then. */
  static readonly #openListeners = Object.entries({
    message(this: AdaptedSocket, data: Uint8Array, isBinary: boolean) {
      if (isBinary) this[ADAPTER].receive(toUint8Array(data));
      else this[ADAPTER].#onText(data);
    },
    pong(this: AdaptedSocket) {
      this[ADAPTER].activityCount++;
      this[ADAPTER].owner.onPong();
    },
  });
  static readonly #connectListeners = Object.entries({
    upgrade(this: AdaptedSocket, response: IncomingMessage) {
      this[ADAPTER].#useTcp(response.socket);
    },
    "unexpected-response"(this: AdaptedSocket, request: ClientRequest, response: IncomingMessage) {
      this[ADAPTER].#onUnexpectedResponse(request, response);
    },
    open(this: AdaptedSocket) {
      this[ADAPTER].#onOpen();
    },
  });

  readonly #socket: WsSocket;
  readonly #sharesBytes: boolean;
  #linger: Timer | undefined;
  #tcp: Tcp | undefined;
  #isCorked = false;
  #failure: SocketError | undefined;

  /**
   * @param tcp the TCP socket where it is known already, as on a server
   * @param sharesBytes whether `ws` may write the caller's own bytes: it masks none on a server, and none with zeros
   */
  constructor(
    socket: WsSocket,
    maxPayloadBytes: number,
    owner: SocketOwner,
    tcp?: Tcp,
    sharesBytes: boolean = tcp !== undefined,
  ) {
    super(maxPayloadBytes, owner);
    this.#socket = socket;
    this.#sharesBytes = sharesBytes;
    this.#useTcp(tcp);
    Object.defineProperty(socket, ADAPTER, { value: this });
    for (const [event, listener] of NodeSocket.#endListeners) socket.on(event, listener);
    for (const [event, listener] of tcp ? NodeSocket.#openListeners : NodeSocket.#connectListeners)
      socket.on(event, listener);
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  write(payload: Payload): boolean {
    if (this.#socket.readyState !== OPEN) return false;
    if (!this.#isCorked && this.#tcp?.cork) {
      this.#isCorked = true;
      this.#tcp.cork();
      scheduleUncork(this);
    }
    noteWrite();
    this.#socket.send(this.#mustCopy(payload) ? new Uint8Array(payload as Uint8Array) : payload);
    return true;
  }

  /** Bytes read besides: a pong behind a large message is late, not absent. */
  override activity(): number {
    return super.activity() + (this.#tcp?.bytesRead ?? 0);
  }

  /** What the kernel refused: it takes more only when the peer has acknowledged some, which the stream's buffer can't tell. */
  protected override get unsentBytes(): number {
    const handle = this.#tcp?._handle;
    return (handle?._parent ?? handle)?.writeQueueSize ?? super.unsentBytes;
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** What stands in for `ws` may lack it. */
  pause(): boolean {
    this.#socket.pause?.();
    return this.#socket.pause !== undefined;
  }

  resume(): boolean {
    this.#socket.resume?.();
    return this.#socket.resume !== undefined;
  }

  ping(): void {
    if (this.#socket.readyState === OPEN) this.#socket.ping();
  }

  pong(): void {
    if (this.#socket.readyState === OPEN) this.#socket.pong();
  }

  protected destroy(code?: number, reason?: string): void {
    this.uncork();
    this.#linger?.stop();
    if (code === undefined || this.#socket.readyState === CONNECTING) return this.#socket.terminate();
    if (this.#socket.readyState === OPEN) this.#socket.close(code, reason);
    // Ended at once, the kernel would answer what is still coming in with a reset, and the close frame would be lost.
    this.#linger ??= new Timer();
    this.#linger.start(LINGER_MS, () => this.#socket.terminate(), true);
  }

  #onText(data: Uint8Array): void {
    const text = data.toString();
    if (isInvalidUtf8(text, data)) this.#fail({ cause: invalidUtf8Error() }, INVALID_UTF8);
    else this.receive(text);
  }

  /** Bytes are the caller's again when write() returns; a client's are copied by masking, unless they are compressed. */
  #mustCopy(payload: Payload): boolean {
    return typeof payload !== "string" && (this.#sharesBytes || this.#socket.extensions !== "");
  }

  /** An empty write is done when all before it is: sooner news than a poll's. */
  protected override bufferChange(): Promise<void> {
    const tcp = this.#tcp;
    if (!tcp?.writableLength || tcp.destroyed) return super.bufferChange();
    return new Promise((resolve) => tcp.write("", () => resolve()));
  }

  #onOpen(): void {
    const socket = this.#socket;
    // All of them, since only an emitter without any gives its table back: its size is felt in memory, too.
    for (const listeners of [NodeSocket.#connectListeners, NodeSocket.#endListeners]) {
      for (const [event, listener] of listeners) socket.removeListener(event, listener);
    }
    for (const listeners of [NodeSocket.#endListeners, NodeSocket.#openListeners]) {
      for (const [event, listener] of listeners) socket.on(event, listener);
    }
    this.owner.onOpen(socket.protocol, socket.extensions);
  }

  #onUnexpectedResponse(request: ClientRequest, { statusCode: status, headers }: IncomingMessage): void {
    const cause = new ConnError("refused", `The server answered the upgrade with ${status}.`, { status });
    request.destroy();
    this.#fail({ status, retryAfter: headers["retry-after"], cause });
  }

  #onError(error: SocketError): void {
    this.#failure = error;
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.refuseTooLarge();
    else if (this.#socket.readyState === CONNECTING) this.#fail({ cause: error });
    // ws has said its close frame, and would wait for the peer's.
    else if (error.code?.startsWith("WS_ERR_")) this.#fail({ cause: error }, PROTOCOL_ERROR);
  }

  #onClose(code: number, reason: Uint8Array): void {
    this.#linger?.stop();
    const text = String(reason ?? "");
    if (isInvalidUtf8(text, reason)) return this.#fail({ cause: invalidUtf8Error() });
    const cause = this.#failure && { cause: this.#failure };
    this.end({ code: code || ABNORMAL, reason: text, clean: !isUnclean(code), ...cause });
  }

  /** The attempt failed, or the peer broke the protocol. */
  #fail(why: Pick<ConnectionEnd, "cause" | "status" | "retryAfter">, code?: number): void {
    this.end({ code: ABNORMAL, reason: "", clean: false, ...why }, code);
  }

  #useTcp(tcp: Tcp | undefined): void {
    // Bun's stand-in for ws hands out a socket that is none.
    if (typeof tcp?.bytesRead !== "number" || typeof tcp.setKeepAlive !== "function") return;
    this.#tcp = tcp;
    tcp.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  /** Lets a turn's messages go. */
  uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#tcp?.uncork?.();
  }
}

/**
 * Whether `text`, decoded from `data`, is not what the peer meant. `ws` would look at every byte of every message, which
 * costs more than all that is done with it here.
 */
function isInvalidUtf8(text: string, data: Uint8Array): boolean {
  // The peer may have sent a replacement character itself. What stands in for ws may give strings.
  return text.includes("\uFFFD") && data instanceof Uint8Array && !isUtf8(data);
}

function invalidUtf8Error(): TypeError {
  return new TypeError("The peer sent text that is not UTF-8 (RFC 6455, section 8.1).");
}

/** The same bytes without the Buffer, so that every platform gives the same class. */
function toUint8Array(data: Uint8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
