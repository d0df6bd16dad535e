import Platform from "isomorphic-ws";
import { ConnError } from "./errors.ts";
import { exceeds, type Payload } from "./payload.ts";
import { noop } from "./promise.ts";
import { Timer } from "./timer.ts";
import type { ConnectionEnd } from "./verdict.ts";

/** What a connection tells its owner. Nothing comes after `ended`, and nothing at all once it is abandoned. */
export interface SocketOwner {
  onOpen(protocol: string, extensions: string): void;
  onMessage(payload: Payload): void;
  onEnd(ending: ConnectionEnd): void;
  onPong(): void;
}

/** One connection. What a platform can't do is missing. */
export interface Socket {
  readonly bufferedAmount: number;
  /** Takes the message, or answers false where the connection is not open any more. */
  write(payload: Payload): boolean;
  /** Resolves when `bufferedAmount` is at most `bytes`, or the connection is left. */
  drain(bytes: number): Promise<void>;
  /** Starts the closing handshake (RFC 6455, section 7.1.2). */
  close(code: number, reason: string): void;
  /** Ends the connection without waiting for the peer, with a close frame first where one is given and can be sent. */
  abandon(code?: number, reason?: string): void;
  /** A figure that changes whenever something moves. */
  activity(): number;
  ping?(): void;
  pong?(): void;
  /** Reads no more, or reads again. Each answers whether it can. */
  pause?(): boolean;
  resume?(): boolean;
}

/** Where a connection goes, and what it says of itself. */
export interface Target {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string>> | undefined;
}

export interface SocketOptions {
  readonly maxPayloadBytes: number;
  /** Node only: how long a closing handshake may take, whoever began it. */
  readonly closeTimeoutMs: number;
  readonly WebSocket: WebSocketConstructor | undefined;
  readonly origin: string | undefined;
  readonly clientOptions: object | undefined;
}

interface NodeOnly {
  readonly headers?: unknown;
  readonly origin?: unknown;
  readonly clientOptions?: unknown;
}

/** The part of the WHATWG interface that is relied on. */
export interface WebSocketLike {
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Takes a message. */
  send(data: string): void;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
}

/** A WebSocket class to use in place of the platform's. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;

/** A close event; React Native's has no `wasClean`, and null for a reason that was not given. */
interface CloseEventLike {
  readonly code: number;
  readonly reason: string | null;
  readonly wasClean?: boolean;
}

/** What an adapter touches of a WHATWG WebSocket. */
interface PlatformSocket {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount?: number;
  readonly protocol: string | null;
  readonly extensions?: string | null;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly error?: unknown; readonly message?: string }) => void) | null;
  onclose: ((event: CloseEventLike) => void) | null;
}

const CONNECTING = 0;
const OPEN = 1;
const ABNORMAL = 1006;
/** Codes that mean that no close frame came (RFC 6455, section 7.4.1), and so no clean end. */
export const UNCLEAN: ReadonlySet<number> = new Set([0, 1006, 1015]);
/** What a browser may send in place of 1009 (WHATWG WebSockets: 1000 and 3000 to 4999 only). */
const TOO_LARGE = 4009;
const POLL_MS = 10;

/** Hears nothing. It stays on an abandoned socket for good: `ws` ends the process on an error that nobody handles. */
const NO_OWNER: SocketOwner = {
  onOpen: noop,
  onMessage: noop,
  onEnd: noop,
  onPong: noop,
};

/** Opens a connection over a WHATWG WebSocket. The Node build has a function of the same name in its place. */
export function openSocket({ url, protocols }: Target, options: SocketOptions, owner: SocketOwner): Socket {
  const WebSocket = constructorOf(options);
  const socket = new WebSocket(url, [...protocols]) as unknown as PlatformSocket;
  return new WhatwgSocket(socket, options.maxPayloadBytes, owner);
}

/**
 * Refuses options that the platform can't honour, rather than ignore them. The Node build has a function of the same
 * name in its place.
 *
 * @throws {@link ConnError} `unsupported`
 */
export function requireSupport(options: NodeOnly): void {
  for (const name of ["headers", "origin", "clientOptions"] as const) {
    if (options[name] !== undefined) throw new ConnError("unsupported", `${name}: only Node can set it, over ws.`);
  }
}

/** The class to open connections with. The global is read late, so that a patch made after import counts. */
export function constructorOf({ WebSocket }: Pick<SocketOptions, "WebSocket">): WebSocketConstructor {
  const platform = Platform as unknown as WebSocketConstructor | undefined;
  const isNode = platform !== undefined && "terminate" in platform.prototype;
  const found =
    WebSocket ?? (isNode ? platform : ((globalThis.WebSocket as WebSocketConstructor | undefined) ?? platform));
  if (found) return found;
  throw new ConnError("unsupported", "This platform has no WebSocket: pass a class as the WebSocket option.");
}

/** What all adapters share: one owner until the end, the limit of a message, and the watch over the buffer. */
export abstract class BaseSocket implements Socket {
  protected owner: SocketOwner;
  /** Messages and pongs so far, and falls of the buffer that were seen. */
  protected activityCount = 0;
  readonly #maxPayloadBytes: number;
  #poll: Timer | undefined;
  #lastBuffered = 0;
  #bufferChange: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  constructor(maxPayloadBytes: number, owner: SocketOwner) {
    this.#maxPayloadBytes = maxPayloadBytes;
    this.owner = owner;
  }

  abstract readonly bufferedAmount: number;
  abstract write(payload: Payload): boolean;
  abstract close(code: number, reason: string): void;
  /** Ends the platform's socket. */
  protected abstract destroy(code?: number, reason?: string): void;

  async drain(bytes: number): Promise<void> {
    while (this.owner !== NO_OWNER && this.bufferedAmount > bytes) await this.bufferChange();
  }

  abandon(code?: number, reason?: string): void {
    // Once: Node 22 fires an error inside close() while it connects, and a close frame that is on its way may take its time.
    if (this.owner === NO_OWNER) return;
    this.owner = NO_OWNER;
    this.#wake?.();
    this.destroy(code, reason);
  }

  activity(): number {
    const buffered = this.unsentBytes;
    if (buffered < this.#lastBuffered) this.activityCount++;
    this.#lastBuffered = buffered;
    return this.activityCount;
  }

  /** Resolves when the buffer is worth another look. */
  protected bufferChange(): Promise<void> {
    this.#bufferChange ??= new Promise((resolve) => {
      this.#wake = () => {
        this.#poll?.stop();
        this.#bufferChange = undefined;
        resolve();
      };
      this.#poll ??= new Timer();
      this.#poll.start(POLL_MS, this.#wake);
    });
    return this.#bufferChange;
  }

  /** Bytes that the network does not take yet, as well as the platform tells. */
  protected get unsentBytes(): number {
    return this.bufferedAmount;
  }

  protected receive(payload: Payload): void {
    this.activityCount++;
    if (exceeds(payload, this.#maxPayloadBytes)) this.refuseTooLarge();
    else this.owner.onMessage(payload);
  }

  protected refuseTooLarge(): void {
    const cause = new ConnError("too-large", "A message is longer than maxPayloadBytes.");
    this.end({ code: 1009, reason: "", clean: false, cause }, TOO_LARGE);
  }

  /** The end: told once, and the platform's socket is left to itself. */
  protected end(ending: ConnectionEnd, code?: number): void {
    const { owner } = this;
    this.abandon(code);
    owner.onEnd(ending);
  }
}

class WhatwgSocket extends BaseSocket {
  readonly #socket: PlatformSocket;

  constructor(socket: PlatformSocket, maxPayloadBytes: number, owner: SocketOwner) {
    super(maxPayloadBytes, owner);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    // Where nothing was selected workerd has null for a protocol; React Native has no extensions.
    socket.onopen = () => this.owner.onOpen(socket.protocol ?? "", socket.extensions ?? "");
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onerror = (event) => {
      // Node 22 fires no close after a failed handshake. After open an error is followed by close everywhere.
      const cause = event.error ?? (event.message || undefined);
      if (socket.readyState !== OPEN) this.end({ code: ABNORMAL, reason: "", clean: false, cause });
    };
    socket.onclose = ({ code, reason, wasClean }) => {
      // Deno says 0 where the others say 1006.
      this.end({ code: code || ABNORMAL, reason: reason ?? "", clean: wasClean ?? !UNCLEAN.has(code) });
    };
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount ?? 0;
  }

  write(payload: Payload): boolean {
    if (this.#socket.readyState !== OPEN) return false;
    this.#socket.send(payload);
    return true;
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  protected destroy(code?: number, reason?: string): void {
    if (this.#socket.readyState > OPEN) return;
    if (code === undefined || this.#socket.readyState === CONNECTING) this.#socket.close();
    else this.#socket.close(code, reason);
  }

  #receive(data: unknown): void {
    if (typeof data === "string") this.receive(data);
    else if (ArrayBuffer.isView(data)) this.receive(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    // By its name: one of another realm (jsdom, a vm context) is no instance of ours.
    else if (Object.prototype.toString.call(data) === "[object ArrayBuffer]") {
      this.receive(new Uint8Array(data as ArrayBuffer));
    } else
      this.end(
        { code: 1003, reason: "", clean: false, cause: new TypeError("The WebSocket ignored its binaryType.") },
        4003,
      );
  }
}
