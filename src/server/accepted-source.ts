import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import type { ConnectionSource } from "../core/connect-attempt.ts";
import { NodeSocket, type Tcp, type WsSocket } from "../socket/node-socket.ts";
import type { Socket, SocketOptions, SocketOwner, Target } from "../socket/socket.ts";

/** Gives a Conn the one connection that was accepted for it. */
export class AcceptedSource implements ConnectionSource {
  readonly retryReason = false;
  readonly #webSocket: WebSocket;
  readonly #request: IncomingMessage;

  constructor(webSocket: WebSocket, request: IncomingMessage) {
    this.#webSocket = webSocket;
    this.#request = request;
    // Messages that came with the upgrade would be emitted before the Conn listens.
    webSocket.pause();
  }

  open(_target: Target, { maxPayloadBytes }: SocketOptions, owner: SocketOwner): Socket {
    const webSocket = this.#webSocket;
    const tcp = this.#request.socket as Tcp;
    const socket = new NodeSocket(webSocket as unknown as WsSocket, maxPayloadBytes, owner, tcp);
    webSocket.resume();
    queueMicrotask(() => owner.onOpen(webSocket.protocol, webSocket.extensions));
    return socket;
  }
}
