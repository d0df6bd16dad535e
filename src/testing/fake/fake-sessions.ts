import { FENCED, NORMAL } from "../../base/close-codes.ts";
import type { Payload } from "../../base/payload.ts";
import { encode } from "../../resume/protocol/control.ts";
import type { ResumePlan } from "../../resume/protocol/delivery-state.ts";
import type { SelectedProtocol } from "../../resume/protocol/subprotocol.ts";
import {
  answerHandshake,
  createSessionRecord,
  greetingFrame,
  type PendingHandshake,
  type SessionRecord,
  type SessionStore,
} from "../../resume/server/server-handshake.ts";
import type { FakeLine, LineServer } from "./fake-line.ts";
import { FakeSession } from "./fake-session.ts";

/** The defaults of a real server. */
const WINDOW_BYTES = 2 ** 20;
const TTL_MS = 120_000;

/** Makes the connection of a session on a line. */
type OnSession = (session: FakeSession, resumed: boolean) => LineServer;

/** The sessions of a fake server, which last until they end or are forgotten, because the fake has no timers. */
export class FakeSessions implements SessionStore {
  readonly #sessions = new Map<string, FakeSession>();
  #issued = 0;

  get(sid: string): SessionRecord | undefined {
    return this.#sessions.get(sid)?.record;
  }

  /** Does nothing: a session of the fake has no setup, so its client can return at any time. */
  beforeResume(): void {}

  /** Forgets all sessions, as a server that restarts does. */
  clear(): void {
    this.#sessions.clear();
  }

  /** Greets a client that speaks resume, and calls `onSession` when the client has taken a session or returned to one. */
  greet(line: FakeLine, { name = "", protocol, app }: SelectedProtocol, onSession: OnSession): void {
    const number = ++this.#issued;
    const issued = createSessionRecord({ sid: `fake-${number}`, secret: `secret-${number}` }, undefined, WINDOW_BYTES);
    this.#sessions.set(issued.sid, new FakeSession(issued));
    const handshake = { issued, principal: undefined, protocol, app, isRefused: false };
    line.accept({ onMessage: (payload) => this.#answer(line, handshake, payload, onSession), onEnd: () => {} }, name);
    line.send(encode(greetingFrame(handshake, TTL_MS)));
  }

  #answer(line: FakeLine, handshake: PendingHandshake, payload: Payload, onSession: OnSession): void {
    const result = answerHandshake(handshake, payload, this);
    switch (result.type) {
      case "reply":
        return line.send(encode(result.frame));
      case "ended":
        line.send(encode(result.frame));
        return line.closeFromServer({ code: NORMAL, reason: "" });
      case "refuse":
        line.closeFromServer({ code: result.code, reason: "" });
        if (result.broken) this.#sessions.get(result.broken.sid)?.end("u");
        return;
      case "accepted":
        return this.#attach(line, result.session, onSession, undefined);
      case "resumed":
        this.#sessions.delete(handshake.issued.sid);
        return this.#attach(line, result.session, onSession, result.plan);
    }
  }

  #attach(line: FakeLine, { sid }: SessionRecord, onSession: OnSession, plan: ResumePlan | undefined): void {
    const session = this.#sessions.get(sid) as FakeSession;
    session.detach(FENCED);
    session.attach(line, onSession(session, plan !== undefined), plan);
  }
}
