import { constants } from "node:buffer";
import { EventEmitter } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import Platform from "isomorphic-ws";
import { ABNORMAL, BAD_CERTIFICATE, INVALID_UTF8, isUnclean, PROTOCOL_ERROR } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import { BaseSocket } from "./base-socket.ts";
import { invalidUtf8Error, isInvalidUtf8, toBytes, toOwnBytes } from "./decode.ts";
import { FrameReader, type FrameReaderOwner } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { attachAdapter, createListeners, listen } from "./listeners.ts";
import { guardReceiver, type ReceiverClass } from "./receiver-guard.ts";
import type { ConnectionEnd, Socket, SocketOptions, SocketOwner, Target, WebSocketConstructor } from "./socket.ts";
import type { Tcp } from "./tcp.ts";
import { turnTime } from "./turn-clock.ts";
import { constructorOf, openSocket as openWhatwg, requireSupport as requireWhatwg } from "./whatwg-socket.ts";
import { CERTIFICATE_ERROR, INCURABLE, type SocketError } from "./ws-errors.ts";
import { checkClientOptions, toMaxPayload } from "./ws-options.ts";

/** The part of `ws` that is relied on. Substitutes under the same name (Bun's) lack some of it. */
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

/** The methods of `ws`. A class that extends it, or a tool that follows messages, may have others. */
const WS = (Platform as unknown as { readonly prototype?: WsSocket } | undefined)?.prototype;
const WS_SEND = WS?.send;
const EVENTS = EventEmitter.prototype;
/** The parser of `ws`, which substitutes lack. */
const { Receiver: WS_RECEIVER } = (Platform ?? {}) as unknown as { readonly Receiver?: ReceiverClass };
if (WS_RECEIVER) guardReceiver(WS_RECEIVER);
/** Whether this program transfers the memory of messages. They have memory of their own from then on. */
let hasTransfers = false;
const CONNECTING = 0;
const OPEN = 1;
const KEEP_ALIVE_MS = 15_000;
/** Milliseconds that a connection may take to end by itself, after we left it with a close frame. */
const LINGER_MS = 1_000;

/** Opens a connection over `ws`, or over the class given, with what that class can. */
export function openSocket(target: Target, options: SocketOptions, owner: SocketOwner): Socket {
  const WebSocket = classOf(options);
  if (!isWs(WebSocket)) return openWhatwg(target, { ...options, WebSocket }, owner);
  const { url, protocols, headers } = target;
  const Ws = WebSocket as unknown as new (url: string, protocols: string[], options: object) => WsSocket;
  const socket = new Ws(url, [...protocols], {
    perMessageDeflate: false,
    closeTimeout: options.closeTimeoutMs,
    // Go's server refuses an upgrade without one.
    origin: options.origin ?? new URL(url).origin.replace(/^ws/, "http"),
    ...options.clientOptions,
    ...(headers && { headers }),
    maxPayload: toMaxPayload(options.maxPayloadBytes),
    // See isInvalidUtf8().
    skipUTF8Validation: true,
  });
  const { generateMask } = (options.clientOptions ?? {}) as { readonly generateMask?: unknown };
  return new NodeSocket(socket, options.maxPayloadBytes, owner, undefined, generateMask !== undefined);
}

/**
 * Refuses options that only `ws` can honour where another class was given, options of `ws` that have a name of ours, and
 * headers that no request can have. The value of a header may be secret, and is not quoted.
 *
 * @throws {@link ConnError} `unsupported`, `bad-option`
 */
export function requireSupport(options: Parameters<typeof requireWhatwg>[0] & Pick<SocketOptions, "WebSocket">): void {
  if (!isWs(classOf(options))) return requireWhatwg(options);
  checkClientOptions(options as Partial<SocketOptions & Target>);
}

/** Returns the class that was given, or `ws`; the global one where a bundler has put something else in its place. */
function classOf(options: Pick<SocketOptions, "WebSocket">): WebSocketConstructor {
  const platform = Platform as unknown as WebSocketConstructor | undefined;
  const isNode = platform !== undefined && "terminate" in platform.prototype;
  const page = globalThis as { WebSocket?: WebSocketConstructor };
  return constructorOf(options, isNode ? platform : (page.WebSocket ?? platform));
}

/** Recognises `ws` by its EventEmitter, because Bun's own WebSocket can be terminated too. */
function isWs(WebSocket: WebSocketConstructor): boolean {
  return "terminate" in WebSocket.prototype && WebSocket.prototype instanceof EventEmitter;
}

/** A connection over `ws`. It pings, can be paused, and writes a turn's messages to the network in one go. */
export class NodeSocket extends BaseSocket implements FrameReaderOwner {
  static readonly #whileConnecting = createListeners<NodeSocket>({
    error: (adapter, error: SocketError) => adapter.#onError(error),
    close: (adapter, code: number, reason: Uint8Array) => adapter.#onClose(code, reason),
    upgrade: (adapter, response: IncomingMessage) => adapter.#useTcp(response.socket),
    "unexpected-response": (adapter, request: ClientRequest, response: IncomingMessage) =>
      adapter.#onUnexpectedResponse(request, response),
    open: (adapter) => adapter.#onOpen(),
  });
  static readonly #whileOpen = createListeners<NodeSocket>({
    error: (adapter, error: SocketError) => adapter.#onError(error),
    close: (adapter, code: number, reason: Uint8Array) => adapter.#onClose(code, reason),
    message: (adapter, data: Uint8Array, isBinary: boolean) => adapter.#onMessage(data, isBinary),
    pong: (adapter) => adapter.#onPong(),
  });

  readonly #socket: WsSocket;
  readonly #maxPayloadBytes: number;
  readonly #isServer: boolean;
  readonly #sharesBytes: boolean;
  /** Whether the message that is written now is constant. */
  #isConstant = false;
  #linger: Timer | undefined;
  #tcp: Tcp | undefined;
  #frames: FrameWriter | undefined;
  #reader: FrameReader | undefined;
  #failure: SocketError | undefined;

  /**
   * @param tcp the TCP socket, where it is known already, as on a server
   * @param sharesBytes whether `ws` may write the caller's own bytes: a server masks none, and a mask of zeros changes none
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
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#isServer = tcp !== undefined;
    this.#sharesBytes = sharesBytes;
    this.#useTcp(tcp);
    if (tcp) this.#readPastWs();
    attachAdapter(socket, this);
    listen(socket, tcp ? NodeSocket.#whileOpen : NodeSocket.#whileConnecting);
  }

  get bufferedAmount(): number {
    const frames = this.#frames;
    if (!frames) return this.#socket.bufferedAmount;
    // Without an extension ws holds nothing back itself, and asking the stream alone touches two objects fewer.
    return (frames.isInUse ? (this.#tcp as Tcp).writableLength : this.#socket.bufferedAmount) + frames.pendingBytes;
  }

  protected get isOpen(): boolean {
    return this.#socket.readyState === OPEN;
  }

  override write(payload: Payload, options?: { readonly isConstant?: boolean }): boolean {
    this.#isConstant = typeof payload !== "string" && options?.isConstant === true;
    return super.write(payload);
  }

  protected send(payload: Payload): void {
    const frames = this.#frames ?? this.#createWriter();
    if (frames?.write(payload)) return;
    frames?.cork();
    this.#socket.send(this.#mustCopy(payload) ? new Uint8Array(payload as Uint8Array) : payload);
  }

  /** Counts bytes read too, because a pong behind a large message is late, not absent. */
  override activity(): number {
    return super.activity() + (this.#tcp?.bytesRead ?? 0);
  }

  /** The bytes that the kernel refused. It takes more only when the peer has acknowledged some; the stream takes more at once. */
  protected override get unsentBytes(): number {
    const handle = this.#tcp?._handle;
    return (handle?._parent ?? handle)?.writeQueueSize ?? super.unsentBytes;
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** Returns false for a substitute of `ws` that can't pause. */
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
    this.#frames?.uncork();
    this.#linger?.stop();
    if (code === undefined || this.#socket.readyState === CONNECTING) return this.#socket.terminate();
    if (this.#socket.readyState === OPEN) this.#socket.close(code, reason);
    // Not at once, because the kernel would answer incoming data with a reset, and the close frame would be lost.
    this.#linger ??= new Timer();
    this.#linger.start(LINGER_MS, () => this.#socket.terminate(), true);
  }

  /** Called by the reader of frames with a message that did not go through `ws`. */
  onFrame(chunk: Buffer, start: number, end: number, isBinary: boolean): void {
    if (isBinary) {
      const bytes = hasTransfers ? toOwnBytes(chunk.subarray(start, end)) : toBytes(chunk, start, end);
      return this.receive(bytes, turnTime());
    }
    const text = chunk.toString("utf8", start, end);
    if (isInvalidUtf8(text, chunk, start, end)) this.#fail({ cause: invalidUtf8Error() }, INVALID_UTF8);
    else this.receive(text, turnTime());
  }

  /** Called by the reader of frames when a message was transferred, to a worker for example, with the bytes behind it. */
  onTransfer(): void {
    hasTransfers = true;
    const message =
      "The memory of a message was transferred, and what came behind it is lost: transfer data.slice().buffer.";
    this.#fail({ cause: new ConnError("misuse", message) });
  }

  #onMessage(data: Uint8Array, isBinary: boolean): void {
    this.#reader?.onMessageOfWs();
    if (isBinary) return this.receive(toOwnBytes(data), turnTime());
    // Longer text would throw below, and with that end the process.
    if (data.length > constants.MAX_STRING_LENGTH) return this.refuseTooLarge();
    const text = data.toString();
    if (isInvalidUtf8(text, data)) this.#fail({ cause: invalidUtf8Error() }, INVALID_UTF8);
    else this.receive(text, turnTime());
  }

  /** Whether `ws` would keep the caller's bytes. Masking copies a client's, unless they are compressed. */
  #mustCopy(payload: Payload): boolean {
    if (typeof payload === "string" || this.#isConstant) return false;
    return this.#sharesBytes || this.#socket.extensions !== "";
  }

  /** The callback of an empty write fires when all earlier data is flushed, sooner than polling would notice. */
  protected override bufferChange(): Promise<void> {
    const tcp = this.#tcp;
    // Messages that ws compresses are in neither, and an empty write would not wait for them.
    const handedOver = (tcp?.writableLength ?? 0) + (this.#frames?.pendingBytes ?? 0);
    if (!tcp || tcp.destroyed || handedOver === 0) return super.bufferChange();
    return new Promise((resolve) => tcp.write("", () => resolve()));
  }

  #onPong(): void {
    this.activityCount++;
    this.owner.onPong();
  }

  #onOpen(): void {
    const socket = this.#socket;
    listen(socket, NodeSocket.#whileOpen, NodeSocket.#whileConnecting);
    this.#readPastWs();
    this.owner.onOpen(socket.protocol, socket.extensions);
  }

  #onUnexpectedResponse(request: ClientRequest, { statusCode: status, headers }: IncomingMessage): void {
    const cause = new ConnError("refused", `The server answered the upgrade with ${status}.`, { status });
    request.destroy();
    this.#fail({ status, retryAfter: headers["retry-after"], cause });
  }

  #onError(error: SocketError): void {
    this.#failure = error;
    // As ws, which reads nothing behind an error.
    this.#reader?.stop();
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.refuseTooLarge();
    else if (CERTIFICATE_ERROR.test(error.code ?? "")) this.#refuseCertificate(error);
    else if (this.#socket.readyState === CONNECTING) this.#fail({ cause: error });
    else if (error.code !== undefined && error.code in INCURABLE) {
      const message = `${INCURABLE[error.code]} (${error.code})`;
      this.#fail({ cause: new ConnError("refused", message, { cause: error, fatal: true }) }, PROTOCOL_ERROR);
    }
    // Ended here, because ws has sent its close frame and would wait for the peer's.
    else if (error.code?.startsWith("WS_ERR_")) this.#fail({ cause: error }, PROTOCOL_ERROR);
  }

  #refuseCertificate(error: SocketError): void {
    const message = `A certificate was refused: ${error.message} (${error.code}). clientOptions takes ca, cert and key.`;
    const cause = new ConnError("refused", message, { cause: error });
    this.end({ code: BAD_CERTIFICATE, reason: "", clean: false, cause });
  }

  #onClose(code: number, reason: Uint8Array): void {
    this.#linger?.stop();
    const text = String(reason ?? "");
    if (isInvalidUtf8(text, reason)) return this.#fail({ cause: invalidUtf8Error() });
    const cause = this.#failure && { cause: this.#failure };
    this.end({ code: code || ABNORMAL, reason: text, clean: !isUnclean(code), ...cause });
  }

  /** Ends a failed attempt, or the connection to a peer that broke the protocol. */
  #fail(why: Pick<ConnectionEnd, "cause" | "status" | "retryAfter">, code?: number): void {
    this.end({ code: ABNORMAL, reason: "", clean: false, ...why }, code);
  }

  #useTcp(tcp: Tcp | undefined): void {
    // Checked, because Bun's substitute for ws has a socket that is none.
    if (typeof tcp?.bytesRead !== "number" || typeof tcp.setKeepAlive !== "function") return;
    this.#tcp = tcp;
    tcp.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  /** Creates the writer for the first message, because idle connections need none. */
  #createWriter(): FrameWriter | undefined {
    const tcp = this.#tcp;
    if (!tcp?.cork) return undefined;
    const frames = new FrameWriter(tcp);
    this.#frames = frames;
    const { extensions, send } = this.#socket;
    const hasOwnMask = this.#sharesBytes && !this.#isServer;
    // Elsewhere more is to happen to a message than RFC 6455 asks for, and ws does it.
    const isPlain = extensions === "" && send === WS_SEND && !hasOwnMask && !("bun" in process.versions);
    if (isPlain) frames.takeOver(!this.#isServer);
    return frames;
  }

  /** Reads messages that came whole past `ws`, where nobody else can be listening for them. */
  #readPastWs(): void {
    const socket = this.#socket;
    const tcp = this.#tcp;
    const { emit, on } = socket as unknown as EventEmitter;
    // Otherwise a tool follows messages by the methods that it replaced.
    const isPlain = Object.getPrototypeOf(socket) === WS && emit === EVENTS.emit && on === EVENTS.on;
    if (!tcp?.cork || socket.extensions !== "" || !isPlain) return;
    this.#reader = FrameReader.takeOver(tcp, this.#isServer, toMaxPayload(this.#maxPayloadBytes), this);
  }
}
