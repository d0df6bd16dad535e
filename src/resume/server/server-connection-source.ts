import { GOING_AWAY, SERVER_CODES } from "../../base/close-codes.ts";
import { ConnError } from "../../base/errors.ts";
import type { WaitReason } from "../../core/state-machine.ts";
import type { ServerSource } from "../../server/accepted-source.ts";
import type { ConnectionEnd, Socket, SocketOptions, SocketOwner, Target } from "../../socket/socket.ts";
import type { ServerSession } from "./server-session.ts";

/** Gives the Conn of a session the sockets on which the session's client connects and returns. */
export class ServerConnectionSource implements ServerSource {
  onListenerError: ((error: unknown) => void) | undefined;
  readonly closeCodes = SERVER_CODES;
  readonly #session: ServerSession;

  constructor(session: ServerSession) {
    this.#session = session;
  }

  /** `"peer"`, so that the Conn waits for its client; false where the session has ended, or setup is not over. */
  get retryReason(): WaitReason | false {
    return this.#session.refusal === undefined && this.#session.isActivated && "peer";
  }

  retryDelayMs({ code, reason }: ConnectionEnd): number {
    // Firefox closes so when a page is left, before the page can. Proxies that restart give a reason.
    if (code === GOING_AWAY && reason === "") this.#session.onPageLeft();
    return this.#session.remainingMs;
  }

  /** Hands over the socket that is pending. @throws ConnError `session-lost` without one: the client did not return in time */
  open(_target: Target, _options: SocketOptions, owner: SocketOwner): Socket {
    const socket = this.#session.takeNextSocket();
    if (socket) return socket.handOver(owner);
    const { refusal } = this.#session;
    if (refusal === undefined)
      throw new ConnError("timeout", "The session is kept longer: its client was asked to wait.");
    const message = "The session is over: its client did not return in time.";
    throw new ConnError("session-lost", refusal === "e" ? message : "The session is over: there was no room for it.");
  }

  onConnection(connect: () => void): void {
    this.#session.connect = connect;
  }

  onQueueChange(): void {
    this.#session.onQueueChange();
  }

  release(): void {}
}
