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

/** The sessions of a fake server. They last until they end or are forgotten, because the fake has no timers. */
export class FakeSessions implements SessionStore {
  readonly #sessions = new Map<string, FakeSession>();
  #issued = 0;

  get(sid: string): SessionRecord | undefined {
    return this.#sessions.get(sid)?.record;
  }

  /** Does nothing: a session of the fake has no setup, so its client can return at any time. */
  beforeResume(): void {}

  /** Forgets all sessions, as a server does that has no memory of them. */
  clear(): void {
    this.#sessions.clear();
  }

  /** Greets a client that speaks resume, and calls `onSession` when it has said which session it wants. */
  greet(line: FakeLine, { name = "", protocol, app }: SelectedProtocol, onSession: OnSession): void {
    const number = ++this.#issued;
    const issued = createSessionRecord({ sid: `fake-${number}`, secret: `secret-${number}` }, undefined, WINDOW_BYTES);
    this.#sessions.set(issued.sid, new FakeSession(issued));
    const arrival = { issued, principal: undefined, protocol, app, isRefused: false };
    line.accept({ onMessage: (payload) => this.#answer(line, arrival, payload, onSession), onEnd: () => {} }, name);
    line.send(encode(greetingFrame(arrival, TTL_MS)));
  }

  #answer(line: FakeLine, arrival: PendingHandshake, payload: Payload, onSession: OnSession): void {
    const step = answerHandshake(arrival, payload, this);
    switch (step.type) {
      case "reply":
        return line.send(encode(step.frame));
      case "ended":
        line.send(encode(step.frame));
        return line.closeFromServer({ code: NORMAL, reason: "" });
      case "refuse":
        line.closeFromServer({ code: step.code, reason: "" });
        if (step.broken) this.#sessions.get(step.broken.sid)?.end("u");
        return;
      case "accepted":
        return this.#attach(line, step.session, onSession, undefined);
      case "resumed":
        this.#sessions.delete(arrival.issued.sid);
        return this.#attach(line, step.session, onSession, step.plan);
    }
  }

  #attach(line: FakeLine, { sid }: SessionRecord, onSession: OnSession, back: ResumePlan | undefined): void {
    const own = this.#sessions.get(sid) as FakeSession;
    own.detach(FENCED);
    own.attach(line, onSession(own, back !== undefined), back);
  }
}
