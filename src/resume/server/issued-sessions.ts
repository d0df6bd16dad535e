import type { IncomingMessage } from "node:http";
import { TRY_AGAIN_LATER } from "../../base/close-codes.ts";
import type { PendingSocket } from "./pending-socket.ts";
import type { SessionRecord } from "./server-handshake.ts";
import { TtlMap } from "./ttl-map.ts";

/** A session that no client has taken yet. */
interface IssuedSession {
  readonly record: SessionRecord;
  /** The socket on which the session was issued, while the client is there. */
  readonly socket: PendingSocket | undefined;
  readonly bytes: number;
}

/** How long a session is kept that no client has taken. A client whose N was lost may return to it. */
const ISSUED_MS = 30_000;
/** Issued sessions that count against no bound, so that new clients get in even where `maxSessions` is 0. */
const RESERVED_SESSIONS = 1_000;
const RESERVED_BYTES = 8 * 2 ** 20;
/** Heap of a record, and of a socket besides its request. Measured by test/faults/memory.test.ts (Node 20), rounded up. */
export const RECORD_BYTES = 1_024;
export const SOCKET_BYTES = 5_120;
const HEADER_BYTES = 32;

/** The sessions that were issued with a greeting: the first to be evicted, because they have no messages. */
export class IssuedSessions {
  readonly #sessions: TtlMap<IssuedSession>;
  #bytes = 0;

  constructor() {
    this.#sessions = new TtlMap(ISSUED_MS, Number.POSITIVE_INFINITY, ({ socket, bytes }) => {
      this.#bytes -= bytes;
      socket?.leave(TRY_AGAIN_LATER);
    });
  }

  /** Sessions beyond those that count against no bound. */
  get countedSessions(): number {
    return Math.max(0, this.#sessions.size - RESERVED_SESSIONS);
  }

  /** Bytes beyond those that count against no bound. */
  get countedBytes(): number {
    return Math.max(0, this.#bytes - RESERVED_BYTES);
  }

  get(sid: string): IssuedSession | undefined {
    return this.#sessions.get(sid);
  }

  add(socket: PendingSocket): void {
    this.#set({ record: socket.issued, socket, bytes: RECORD_BYTES + SOCKET_BYTES + requestBytes(socket.request) });
  }

  /** Keeps only the record of a session whose socket has ended. */
  onSocketEnded({ issued }: PendingSocket): void {
    const session = this.#sessions.get(issued.sid);
    if (!session?.socket) return;
    this.#bytes += RECORD_BYTES - session.bytes;
    this.#sessions.replace(issued.sid, { record: issued, socket: undefined, bytes: RECORD_BYTES });
  }

  /** Removes a session that a client has taken, or that can't be taken any more. */
  delete(sid: string): void {
    this.#bytes -= this.#sessions.get(sid)?.bytes ?? 0;
    this.#sessions.delete(sid);
  }

  evictOldest(): void {
    this.#sessions.evictOldest();
  }

  clear(): void {
    this.#sessions.clear();
  }

  #set(session: IssuedSession): void {
    this.#bytes += session.bytes;
    this.#sessions.set(session.record.sid, session);
  }
}

/** Returns about how much memory a request holds by its headers, which the peer chooses. */
export function requestBytes({ rawHeaders, url = "" }: IncomingMessage): number {
  let bytes = url.length;
  for (const text of rawHeaders) bytes += text.length + HEADER_BYTES;
  return bytes;
}
