import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { GOING_AWAY, SERVER_CODES } from "../base/close-codes.ts";
import type { ConnectionSource } from "../core/connect-attempt.ts";
import { NodeSocket, type WsSocket } from "../socket/node-socket.ts";
import type { Socket, SocketOptions, SocketOwner, Target } from "../socket/socket.ts";
import type { Tcp } from "../socket/tcp.ts";

/** The source of a server's connections, by which the handler reaches them. */
export interface ServerSource extends ConnectionSource {
  /** Called with what a listener of the Conn throws. */
  onListenerError: ((error: unknown) => void) | undefined;
  /** Called when the Conn has ended. */
  release(): void;
}

/** Gives a Conn the one connection that was accepted for it. */
export class AcceptedSource implements ServerSource {
  onListenerError: ((error: unknown) => void) | undefined;
  readonly retryReason = false;
  readonly closeCodes = SERVER_CODES;
  readonly #tcp: Duplex;
  /** The connection, until the Conn has taken it. */
  #webSocket: WebSocket | undefined;

  constructor(webSocket: WebSocket, tcp: Duplex) {
    this.#webSocket = webSocket;
    this.#tcp = tcp;
    // Messages that came with the upgrade would be emitted before the Conn listens.
    webSocket.pause();
  }

  open(_target: Target, { maxPayloadBytes }: SocketOptions, owner: SocketOwner): Socket {
    const webSocket = this.#webSocket as WebSocket;
    this.#webSocket = undefined;
    const tcp = this.#tcp as unknown as Tcp;
    const socket = new NodeSocket(webSocket as unknown as WsSocket, maxPayloadBytes, owner, tcp);
    webSocket.resume();
    queueMicrotask(() => owner.onOpen(webSocket.protocol, webSocket.extensions));
    return socket;
  }

  /** Closes a connection that the Conn did not take, because it ended before: a paused socket would stay for ever. */
  release(): void {
    const webSocket = this.#webSocket;
    if (!webSocket) return;
    this.#webSocket = undefined;
    webSocket.on("error", () => {});
    webSocket.resume();
    webSocket.close(GOING_AWAY);
  }
}
