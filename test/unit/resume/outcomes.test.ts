import { expect, test } from "vitest";
import type { ConnError, SendOptions, SendOutcome } from "../../../src/index.ts";
import { resume } from "../../../src/resume/client/index.ts";
import { type ControlFrame, decode, encode } from "../../../src/resume/protocol/control.ts";
import { advance, createConn, record, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import type { FakeSocket } from "../../support/fake-socket.ts";

useFakeTime();

const NAME = "resume.v1";

async function greet(socket: FakeSocket, sid: string, protocol = NAME) {
  socket.open({ protocol });
  socket.message(encode({ type: "H", sid, secret: `${sid}-key`, ttl: 120, win: 100_000, app: 0 }));
  await settleMicrotasks();
}

/** A Conn whose session is in use, and the outcomes of its messages. */
async function openSession() {
  const { net, conn } = createConn({ heartbeat: false, backoff: () => 300, resume: resume() });
  const list: string[] = [];
  await settleMicrotasks();
  await greet(net.last, "one");
  const send = (message: string, options: SendOptions = {}) =>
    conn.send(message, {
      ...options,
      onOutcome: (outcome: SendOutcome, error: ConnError | undefined) =>
        list.push(`${message} ${error ? `${outcome}: ${error.code}` : outcome}`),
    });
  /** The connection drops, and the server answers the return with `frame`. */
  const comeBack = async (frame: ControlFrame) => {
    net.last.drop();
    await advance(300);
    await greet(net.last, "two");
    net.last.message(encode(frame));
    await settleMicrotasks();
  };
  return { net, conn, list, send, comeBack };
}

test("a message is written, and then acknowledged", async () => {
  const { net, list, send } = await openSession();
  send("a");
  send("b");
  expect(list).toEqual(["a written", "b written"]);
  net.last.message(encode({ type: "a", n: 1 }));
  net.last.message(encode({ type: "a", n: 2 }));
  await settleMicrotasks();
  expect(list.slice(2)).toEqual(["a acknowledged", "b acknowledged"]);
});

test("a drop says nothing, and the return acknowledges what the server had", async () => {
  const { net, list, send, comeBack } = await openSession();
  send("a");
  send("b");
  await comeBack({ type: "A", rx: 1 });
  net.last.message(encode({ type: "a", n: 1 }));
  net.last.message(encode({ type: "a", n: 2 }));
  await settleMicrotasks();
  expect(list.slice(2)).toEqual(["a acknowledged", "b acknowledged"]);
});

test("a lost session whose count is known acknowledges what arrived, and sends the rest again", async () => {
  const { net, list, send, comeBack, conn } = await openSession();
  send("a");
  send("b");
  await comeBack({ type: "X", why: "e", n: 1, rx: 1 });
  expect(list.slice(2)).toEqual(["a acknowledged"]);
  expect(net.last.sent).toContain("b");
  net.last.message(encode({ type: "a", n: 1 }));
  await settleMicrotasks();
  expect(list.slice(3)).toEqual(["b acknowledged"]);
  expect(conn.hasSession).toBe(true);
});

test("a lost session whose count is not known leaves messages in doubt", async () => {
  const { net, list, send, comeBack } = await openSession();
  send("a");
  send("again", { resend: true });
  await comeBack({ type: "X", why: "u" });
  expect(list.slice(2)).toEqual(["a in-doubt: session-lost"]);
  expect(net.last.sent).toContain("again");
  net.last.message(encode({ type: "a", n: 1 }));
  await settleMicrotasks();
  expect(list.slice(3)).toEqual(["again acknowledged"]);
});

test("outcomes come before session-lost", async () => {
  const { conn, list, send, comeBack } = await openSession();
  conn.on("session-lost", () => list.push("session-lost"));
  send("a");
  await comeBack({ type: "X", why: "u" });
  expect(list).toEqual(["a written", "a in-doubt: session-lost", "session-lost"]);
});

test("a volatile message that was lost with its connection is refused", async () => {
  const { list, send, comeBack } = await openSession();
  send("news", { volatile: true });
  await comeBack({ type: "A", rx: 0 });
  expect(list).toEqual(["news written", "news refused: not-writable"]);
});

test("a message that ends each connection is refused as poison", async () => {
  const { net, list, send, comeBack } = await openSession();
  send("bad");
  await comeBack({ type: "A", rx: 0 });
  for (let ended = 0; ended < 3; ended++) {
    await comeBack({ type: "A", rx: 0 });
    net.last.message(encode({ type: "q", n: 0 }));
  }
  await comeBack({ type: "A", rx: 0 });
  expect(list).toEqual(["bad written", "bad refused: poison"]);
});

test("the end of the Conn leaves messages in doubt, unless the peer said how far it had come", async () => {
  const doubtful = await openSession();
  doubtful.send("a");
  doubtful.conn.close();
  await advance(5_000);
  expect(doubtful.list).toEqual(["a written", "a in-doubt: closed"]);
  const known = await openSession();
  known.send("a");
  known.net.last.message(encode({ type: "f", n: 0, rx: 0 }));
  known.net.last.drop(1000, "", true);
  await advance(5_000);
  expect(known.list).toEqual(["a written", "a refused: closed"]);
});

test("confirm has the same outcomes", async () => {
  const { net, list, send } = await openSession();
  send("a", { confirm: true });
  await settleMicrotasks();
  expect(list).toEqual(["a written"]);
  net.last.message(encode({ type: "a", n: 1 }));
  await settleMicrotasks();
  expect(list).toEqual(["a written", "a acknowledged"]);
});

test("a message to be confirmed by a server without resume is refused, and was never written", async () => {
  const { net, conn } = createConn({ heartbeat: false, resume: resume() });
  const list: string[] = [];
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  conn
    .send("a", { confirm: true, onOutcome: (outcome, error) => list.push(`${outcome}: ${error?.code}`) })
    .catch(() => {});
  await settleMicrotasks();
  expect(list).toEqual(["refused: unsupported"]);
  expect(net.last.sent).toEqual([]);
});

test("trySend() keeps a place in the session until the client returns, and is not sent again", async () => {
  const { net, conn, comeBack } = await openSession();
  expect(conn.trySend("news")).toBe(true);
  expect(conn.stats.unacknowledged.messages).toBe(1);
  conn.send("kept");
  await comeBack({ type: "A", rx: 0 });
  expect(net.last.sent.filter((sent) => typeof sent === "string" && !decode(sent))).toEqual(["kept"]);
  expect(conn.stats.unacknowledged.messages).toBe(1);
});

test("hasSession is true from the greeting until the session is lost", async () => {
  const { net, conn, comeBack } = await openSession();
  const states: string[] = [];
  conn.on("state", ({ to }) => states.push(`${to} ${conn.hasSession}`));
  expect(conn.hasSession).toBe(true);
  await comeBack({ type: "A", rx: 0 });
  expect(states).toEqual(["waiting true", "connecting true", "open true"]);
  const lost = record(conn, "session-lost");
  // After two connections without a greeting the server counts as one that speaks no resume.
  for (let connection = 0; connection < 2; connection++) {
    net.last.drop();
    await advance(300);
    net.last.open({ protocol: NAME });
    net.last.message("no greeting");
    await settleMicrotasks();
    expect([conn.hasSession, lost]).toEqual([true, []]);
  }
  net.last.open();
  await settleMicrotasks();
  expect(lost).toEqual([{ delivered: [], undelivered: [], inDoubt: [] }]);
  expect([conn.state, conn.hasSession]).toEqual(["open", false]);
});
