import { describe, expect, test } from "vitest";
import vectors from "../../../../docs/internals/resume-vectors.json" with { type: "json" };
import { Conn, type Payload } from "../../../../src/index.ts";
import { resume } from "../../../../src/resume/client/index.ts";
import {
  type ControlFrame,
  decode,
  encode,
  escaped,
  isControl,
  unescaped,
} from "../../../../src/resume/protocol/control.ts";
import { count, noteAckSent, retain } from "../../../../src/resume/protocol/delivery-state.ts";
import {
  answerHandshake,
  createSessionRecord,
  type SessionRecord,
} from "../../../../src/resume/server/server-handshake.ts";
import { advance, record, settleMicrotasks, useFakeTime } from "../../../support/conn.ts";
import { fakeNet } from "../../../support/fake-socket.ts";
import { sentMessage } from "../../../support/sent-message.ts";

useFakeTime();

describe("frames", () => {
  test.each(vectors.frames)("$text is read and written", ({ text, frame }) => {
    expect(decode(text)).toEqual(frame.type === "X" ? { n: undefined, rx: undefined, ...frame } : frame);
    expect(encode(frame as ControlFrame)).toBe(text);
  });

  test.each(vectors.malformed)("%j is refused", (text) => {
    expect(isControl(text)).toBe(true);
    expect(decode(text)).toBeUndefined();
  });

  test.each(vectors.escaping)("$message travels as $travels", ({ message, travels }) => {
    expect(escaped(message)).toBe(travels);
    expect(isControl(travels)).toBe(false);
    expect(unescaped(travels)).toBe(message);
  });
});

describe("dialogues", () => {
  /** Numbers that each end chooses for itself. */
  const loose = (text: Payload) =>
    String(text).replace(/ [0-9a-z]+$/, (end) => (/^.[NRH]/.test(String(text)) ? " win" : end));

  test.each(vectors.dialogues)("our client speaks as in: $title", async ({ sockets, received }) => {
    const net = fakeNet();
    const conn = new Conn("ws://x.test/", {
      WebSocket: net.WebSocket,
      heartbeat: false,
      backoff: () => 300,
      resume: resume({ windowBytes: 1_000 }),
    });
    const messages = record(conn, "message");
    await settleMicrotasks();
    for (const [index, lines] of sockets.entries()) {
      if (index > 0) {
        net.last.drop();
        await advance(300);
      }
      net.last.open({ protocol: "resume.v1" });
      const expected: string[] = [];
      for (const [who, text = ""] of lines) {
        if (who === "server") {
          net.last.message(text);
          await settleMicrotasks();
          continue;
        }
        expected.push(loose(text));
        const isNew = !isControl(text) && !net.sockets.some(({ sent }) => sent.includes(text));
        if (isNew) conn.send(unescaped(text) as string);
      }
      expect(net.last.sent.map(loose)).toEqual(expected);
    }
    expect(messages).toEqual(received.client);
  });

  /** Sessions that end between the sockets of a dialogue. */
  type Over = { readonly [sid: string]: { readonly acknowledged: number; readonly outcome: string } };

  test.each(vectors.dialogues)("our server reads what is said in: $title", ({ sockets, received, ...dialogue }) => {
    const sessions = new Map<string, SessionRecord>();
    const got: Payload[] = [];
    for (const lines of sockets) {
      const greeting = decode(lines[0]?.[1] ?? "");
      if (greeting?.type !== "H") throw new Error("A dialogue begins with the greeting.");
      const issued = createSessionRecord({ sid: greeting.sid, secret: greeting.secret }, undefined, 1_000);
      sessions.set(greeting.sid, issued);
      const arrival = { issued, principal: undefined, app: 0, protocol: "", isRefused: false };
      let bound: SessionRecord | undefined;
      let answer: string | undefined;
      for (const [who, text = ""] of lines.slice(1)) {
        if (who === "client" && bound && !isControl(text)) {
          count(bound.delivery, text);
          got.push(unescaped(text) as string);
        } else if (who === "client" && !bound) {
          const step = answerHandshake(arrival, text, { get: (sid) => sessions.get(sid), beforeResume() {} });
          if (step.type === "refuse") throw new Error(step.type);
          if ("frame" in step) answer = encode(step.frame);
          else bound = step.session;
        } else if (who === "server" && bound && !isControl(text)) retain(bound.delivery, sentMessage(1));
        else if (who === "server" && !bound) expect(text).toBe(answer);
        else if (text.startsWith("\u0010A")) expect(decode(text)).toEqual({ type: "A", rx: bound?.delivery.received });
      }
      for (const [sid, { acknowledged, outcome }] of Object.entries(
        ("over" in dialogue && (dialogue.over as Over)) || {},
      )) {
        const record = sessions.get(sid);
        if (record) noteAckSent(record.delivery, acknowledged);
        if (record) record.outcome = outcome as SessionRecord["outcome"];
      }
    }
    expect(got).toEqual(received.server);
  });
});
