import { ConnError } from "../../base/errors.ts";
import type { ConnectionSource } from "../../core/connect-attempt.ts";
import type { WaitReason } from "../../core/state-machine.ts";
import type { Socket, SocketOptions, SocketOwner, Target } from "../../socket/socket.ts";
import type { ServerSession } from "./server-session.ts";

/** Gives the Conn of a session the sockets on which the session's client comes and returns. */
export class ServerConnectionSource implements ConnectionSource {
  readonly retryDelayMs: number;
  readonly #session: ServerSession;

  /** @param ttlMs for how long the session waits for its client */
  constructor(session: ServerSession, ttlMs: number) {
    this.#session = session;
    this.retryDelayMs = ttlMs;
  }

  /** The Conn waits for its client, unless the session has ended, or has not begun because setup is not over. */
  get retryReason(): WaitReason | false {
    return this.#session.refusal === undefined && this.#session.isActivated && "peer";
  }

  /** Hands over the socket that is pending. @throws ConnError `session-lost` without one: the client did not return in time */
  open(_target: Target, _options: SocketOptions, owner: SocketOwner): Socket {
    const socket = this.#session.takeNextSocket();
    if (socket) return socket.handOver(owner);
    throw new ConnError("session-lost", "The session is over: its client did not return, or there was no room for it.");
  }

  onConnection(connect: () => void): void {
    this.#session.connect = connect;
  }

  onQueueChange(bytes: number): void {
    this.#session.onQueueChange(bytes);
  }
}
