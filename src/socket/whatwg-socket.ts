import { ABNORMAL, isUnclean, UNSUPPORTED_DATA, UNSUPPORTED_PAYLOAD } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { BaseSocket } from "./base-socket.ts";
import type { Socket, SocketOptions, SocketOwner, Target, WebSocketConstructor } from "./socket.ts";

interface NodeOnly {
  readonly headers?: unknown;
  readonly origin?: unknown;
  readonly clientOptions?: unknown;
}

/** A close event. React Native's has no `wasClean`, and null for a reason that was not given. */
interface CloseEventLike {
  readonly code: number;
  readonly reason: string | null;
  readonly wasClean?: boolean;
}

/** The part of a WHATWG WebSocket that is relied on. */
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

/** Opens a connection over a WHATWG WebSocket. The Node build has a function of the same name in its place. */
export function openSocket({ url, protocols }: Target, options: SocketOptions, owner: SocketOwner): Socket {
  const WebSocket = constructorOf(options);
  const socket = new WebSocket(url, [...protocols]) as unknown as PlatformSocket;
  return new WhatwgSocket(socket, options.maxPayloadBytes, owner);
}

/**
 * Refuses options that the platform would ignore. The Node build has a function of the same
 * name in its place.
 *
 * @throws {@link ConnError} `unsupported`
 */
export function requireSupport(options: NodeOnly): void {
  for (const name of ["headers", "origin", "clientOptions"] as const) {
    if (options[name] !== undefined) throw new ConnError("unsupported", `${name}: only Node can set it, over ws.`);
  }
}

/** Returns the class to open connections with. The global is read late, so that a patch made after import counts. */
export function constructorOf(
  { WebSocket }: Pick<SocketOptions, "WebSocket">,
  platform = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket,
): WebSocketConstructor {
  const found = WebSocket ?? platform;
  if (found) return found;
  throw new ConnError("unsupported", "This platform has no WebSocket: pass a class as the WebSocket option.");
}

class WhatwgSocket extends BaseSocket {
  readonly #socket: PlatformSocket;

  constructor(socket: PlatformSocket, maxPayloadBytes: number, owner: SocketOwner) {
    super(maxPayloadBytes, owner);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    // Defaults, because workerd has null for a protocol where none was selected, and React Native no extensions.
    socket.onopen = () => this.owner.onOpen(socket.protocol ?? "", socket.extensions ?? "");
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onerror = (event) => {
      // Ended here, because Node 22 fires no close after a failed handshake. After open every platform does.
      const cause = event.error ?? (event.message || undefined);
      if (socket.readyState !== OPEN) this.end({ code: ABNORMAL, reason: "", clean: false, cause });
    };
    socket.onclose = ({ code, reason, wasClean }) => {
      // Deno gives 0 where the others give 1006.
      this.end({ code: code || ABNORMAL, reason: reason ?? "", clean: wasClean ?? !isUnclean(code) });
    };
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount ?? 0;
  }

  protected get isOpen(): boolean {
    return this.#socket.readyState === OPEN;
  }

  protected send(payload: Payload): void {
    this.#socket.send(payload);
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
    // By its name, because a buffer of another realm (jsdom, a vm context) is no instance of ours.
    else if (Object.prototype.toString.call(data) === "[object ArrayBuffer]") {
      this.receive(new Uint8Array(data as ArrayBuffer));
    } else
      this.end(
        {
          code: UNSUPPORTED_DATA,
          reason: "",
          clean: false,
          cause: new TypeError("The WebSocket ignored its binaryType."),
        },
        UNSUPPORTED_PAYLOAD,
      );
  }
}
