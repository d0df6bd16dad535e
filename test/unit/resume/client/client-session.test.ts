import { describe, expect, test, vi } from "vitest";
import { ConnError, type ConnOptions } from "../../../../src/index.ts";
import { ClientSession } from "../../../../src/resume/client/client-session.ts";
import { type ResumeOptions, resume } from "../../../../src/resume/client/index.ts";
import { type ControlFrame, decode, encode } from "../../../../src/resume/protocol/control.ts";
import {
  advance,
  createConn,
  isSettled,
  record,
  recordAll,
  rejection,
  settleMicrotasks,
  thrown,
  useFakeTime,
} from "../../../support/conn.ts";
import type { FakeSocket } from "../../../support/fake-socket.ts";

useFakeTime();

const NAME = "resume.v1";
const greeting = (sid: string, win = 100_000, app = 0) =>
  encode({ type: "H", sid, secret: `${sid}-key`, ttl: 120, win, app });
const ack = (n: number) => encode({ type: "a", n });
const frames = (socket: FakeSocket) => socket.sent.map((sent) => (typeof sent === "string" && decode(sent)) || sent);
/** Takes what was sent since the last call. */
const taken = (socket: FakeSocket) => {
  const all = frames(socket);
  socket.sent.length = 0;
  return all;
};

function resuming(given: ResumeOptions = {}, options: ConnOptions = {}) {
  return createConn({ heartbeat: false, backoff: () => 300, resume: resume(given), ...options });
}

/** A Conn whose session is in use. */
async function openSession(given: ResumeOptions = {}, options: ConnOptions = {}) {
  const { net, conn } = resuming(given, options);
  await settleMicrotasks();
  await greet(net.last);
  taken(net.last);
  return { net, conn, socket: net.last };
}

/** A session of its own, for what the Conn asks of one. */
function newSession() {
  const nothing = () => {};
  return new ClientSession(
    {
      inbox: { length: 0 },
      onPong: nothing,
      onSessionLost: nothing,
      onRefused: nothing,
      onOutcome: nothing,
      onProtocolError: nothing,
      onMoveRequested: nothing,
      createError: (code, message, payload) => new ConnError(code, message, { payload }),
    },
    { windowBytes: 1_000, acksConsumed: false, random: () => 0 },
  );
}

async function greet(socket: FakeSocket, sid = "one", app = 0) {
  socket.open({ protocol: NAME });
  socket.message(greeting(sid, 400_000, app));
  await settleMicrotasks();
}

/** The connection drops, and the next is greeted. */
async function dropped(net: { readonly last: FakeSocket }) {
  net.last.drop();
  await advance(300);
  await greet(net.last, "two");
  return net.last;
}

describe("the handshake", () => {
  test("offers the name, and is silent until the server has greeted", async () => {
    const { net, conn } = resuming();
    conn.send("early");
    await settleMicrotasks();
    expect(net.last.protocols).toEqual([NAME]);
    net.last.open({ protocol: NAME });
    await advance(900);
    expect(net.last.sent).toEqual([]);
    expect(conn.state).toBe("connecting");
    net.last.message(greeting("one"));
    await settleMicrotasks();
    expect(frames(net.last)).toEqual([{ type: "N", win: 2 ** 20 }, "early"]);
    expect(conn.state).toBe("open");
    expect(conn.protocol).toBe("");
  });

  test("names the application's own protocols too, which are all that it sees", async () => {
    const { net, conn } = resuming({}, { protocols: ["chat", "chit"] });
    await settleMicrotasks();
    expect(net.last.protocols).toEqual(["chat", "chit", NAME]);
    await greet(net.last, "one", 2);
    expect(conn.protocol).toBe("chit");
  });

  test.each([
    [{ windowBytes: 0 }, "windowBytes"],
    [{ windowBytes: Number.NaN }, "windowBytes"],
    [{ ack: "sent" as "consumed" }, "ack"],
  ])("refuses %j in the constructor", (given, name) => {
    expect(thrown(() => resuming(given))).toMatchObject({ code: "bad-option", message: expect.stringContaining(name) });
  });
});

describe("a server without resume", () => {
  test("that echoes the name and says nothing is dialed again without it, in the same attempt", async () => {
    const { net, conn } = resuming();
    const events = recordAll(conn);
    await settleMicrotasks();
    net.last.open({ protocol: NAME });
    await advance(1_000);
    expect(net.sockets.map(({ protocols }) => protocols)).toEqual([[NAME], []]);
    net.last.open();
    await settleMicrotasks();
    conn.send("unsupported");
    expect(net.last.sent).toEqual(["unsupported"]);
    expect(events).toEqual(["idle>connecting", "connecting>open", "open"]);
  });

  test("that greets a page which was busy is believed", async () => {
    const { net, conn } = resuming();
    await settleMicrotasks();
    const due: (() => void)[] = [];
    const timers = vi
      .spyOn(globalThis, "setTimeout")
      .mockImplementation(((fire: () => void) => due.push(fire)) as never);
    net.last.open({ protocol: NAME });
    // After the pause each timer that was set is due, and fires before the message is read.
    for (const fire of due.splice(0)) fire();
    timers.mockRestore();
    net.last.message(greeting("one"));
    await settleMicrotasks();
    expect(frames(net.last)).toEqual([{ type: "N", win: 2 ** 20 }]);
    expect(conn.state).toBe("open");
  });

  test("that was silent once is asked again on the next connection, and after two silences no more", async () => {
    const { net } = resuming();
    for (let connection = 0; connection < 3; connection++) {
      await advance(300);
      if (net.last.protocols.length > 0) {
        net.last.open({ protocol: NAME });
        await advance(1_000);
      }
      net.last.open();
      await settleMicrotasks();
      net.last.drop();
    }
    await advance(300);
    expect(net.sockets.map(({ protocols }) => protocols.length)).toEqual([1, 0, 1, 0, 0, 0]);
  });

  test.each([400, 406, 415, 422, 426, 431])("that refuses the name with %d is dialed again without it", (status) => {
    const session = newSession();
    expect(session.protocolsToOffer([])).toEqual([NAME]);
    expect(session.onHandshakeFailed(new ConnError("refused", "", { status }), status)).toBe(true);
    expect(session.protocolsToOffer([])).toEqual([]);
  });

  test.each([401, 403, 404, 408, 410, 425, 429, 500, 503])("that answers %d refuses something else", (status) => {
    const session = newSession();
    session.protocolsToOffer([]);
    expect(session.onHandshakeFailed(new ConnError("refused", "", { status }), status)).toBe(false);
    expect(session.protocolsToOffer([])).toEqual([NAME]);
  });

  test.each<[string, unknown]>([
    ["a network error", Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })],
    ["a time limit of ours", new ConnError("timeout")],
  ])("is not what %s tells of", (_what, cause) => {
    const session = newSession();
    session.protocolsToOffer([]);
    expect(session.onHandshakeFailed(cause, undefined)).toBe(false);
  });

  test("that refuses the name is dialed again at once without it, and never asked again", async () => {
    const { net, conn } = resuming();
    await settleMicrotasks();
    net.last.refuse();
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(conn.state).toBe("open");
    net.last.drop();
    await advance(2_000);
    expect(net.sockets.map(({ protocols }) => protocols)).toEqual([[NAME], [], []]);
  });

  test("that is down is dialed twice for each wait, with and without the name", async () => {
    const { net } = resuming();
    net.onDial = (socket) => queueMicrotask(() => socket.refuse());
    await advance(500);
    expect(net.sockets.map(({ protocols }) => protocols)).toEqual([[NAME], [], [NAME], []]);
  });

  test("that speaks first is plain at once, and what it said is heard after open", async () => {
    const { net, conn } = resuming();
    const messages = record(conn, "message");
    await settleMicrotasks();
    net.last.open({ protocol: NAME });
    net.last.message("\u0010\u0010welcome");
    net.last.message("again");
    expect(conn.state).toBe("connecting");
    await settleMicrotasks();
    expect(messages).toEqual(["\u0010\u0010welcome", "again"]);
    conn.send("\u0010x");
    expect(net.last.sent).toEqual(["\u0010x"]);
  });

  test("can confirm nothing, and is not sent what should be", async () => {
    const { net, conn } = resuming();
    const drops = record(conn, "dropped");
    await settleMicrotasks();
    net.last.open({ protocol: "" });
    await settleMicrotasks();
    expect(await rejection(conn.send("sure", { confirm: true }))).toMatchObject({
      code: "unsupported",
      payload: "sure",
    });
    await settleMicrotasks();
    expect(drops).toMatchObject([{ payload: "sure", error: { code: "unsupported" } }]);
    expect(net.last.sent).toEqual([]);
  });

  test("after one that spoke it is reported as a lost session", async () => {
    const { net, conn, socket } = await openSession();
    const lost = record(conn, "session-lost");
    conn.send("doubtful");
    conn.send("twice", { resend: true });
    const messages = record(conn, "message");
    socket.drop();
    for (let connection = 0; connection < 2; connection++) {
      await advance(2_000);
      expect(lost).toEqual([]);
      net.last.open({ protocol: NAME });
      net.last.message("what?");
      await settleMicrotasks();
    }
    expect([net.last.protocols, messages]).toEqual([[], []]);
    net.last.open();
    await settleMicrotasks();
    expect(lost).toEqual([{ delivered: [], undelivered: [], inDoubt: ["doubtful", "twice"] }]);
    expect(net.last.sent).toEqual(["twice"]);
  });
});

describe("a return", () => {
  test("states what came and sends what was not counted again", async () => {
    const { net, conn, socket } = await openSession();
    const opens = record(conn, "open");
    const messages = record(conn, "message");
    const bytes = new Uint8Array([1, 2, 3]);
    for (const payload of ["a", bytes, "\u0010c"]) conn.send(payload);
    bytes.fill(9);
    socket.message("x");
    socket.message("\u0010\u0010y");
    const next = await dropped(net);
    expect(taken(next)).toEqual([{ type: "R", sid: "one", secret: "one-key", gen: 1, rx: 2, win: 2 ** 20 }]);
    conn.send("d");
    next.message(encode({ type: "A", rx: 1 }));
    await settleMicrotasks();
    // Acknowledgements on the last connection may not have arrived.
    expect(taken(next)).toEqual([{ type: "a", n: 2 }, new Uint8Array([1, 2, 3]), "\u0010\u0010c", "d"]);
    expect(messages).toEqual(["x", "\u0010y"]);
    expect(opens).toMatchObject([{ resumed: true, reconnected: true }]);
  });

  test("counts its attempts, and keeps the session through those that fail", async () => {
    const { net } = await openSession();
    let next = await dropped(net);
    next = await dropped(net);
    expect(taken(next)).toMatchObject([{ type: "R", sid: "one", gen: 2 }]);
  });

  test("gives the place of a lost volatile message to the next", async () => {
    const { net, conn, socket } = await openSession();
    conn.send("old");
    conn.send("now", { volatile: true });
    conn.send("new");
    expect(taken(socket)).toEqual(["old", "now", "new"]);
    const next = await dropped(net);
    next.message(encode({ type: "A", rx: 1 }));
    await settleMicrotasks();
    expect(taken(next).slice(1)).toEqual(["new"]);
    next.message(ack(2));
    expect(conn.stats.unacknowledged).toEqual({ messages: 0, bytes: 0 });
  });

  test("never sets aside a message that did not reach a server, however many connections die right after the answer", async () => {
    const { net, conn } = await openSession();
    const drops = record(conn, "dropped");
    conn.send("innocent");
    for (let death = 0; death < 12; death++) (await dropped(net)).message(encode({ type: "A", rx: 0 }));
    (await dropped(net)).message(encode({ type: "A", rx: 0 }));
    net.last.message(encode({ type: "q", n: 0 }));
    await settleMicrotasks();
    expect(taken(net.last).slice(1)).toEqual([{ type: "p", n: 0 }, "innocent", { type: "p", n: 0 }]);
    expect(drops).toEqual([]);
  });

  test("proves a connection before it sends again what may have ended the last ones, and then only that", async () => {
    const { net, conn } = await openSession();
    conn.send("suspect");
    conn.send("next");
    (await dropped(net)).message(encode({ type: "A", rx: 0 }));
    await settleMicrotasks();
    expect(taken(net.last).slice(1)).toEqual(["suspect", "next"]);
    (await dropped(net)).message(encode({ type: "A", rx: 0 }));
    const later = conn.send("later");
    await settleMicrotasks();
    expect(taken(net.last).slice(1)).toEqual([{ type: "p", n: 0 }]);
    net.last.message(encode({ type: "q", n: 0 }));
    expect(taken(net.last)).toEqual(["suspect", { type: "p", n: 0 }]);
    expect(await isSettled(later)).toBe(false);
    net.last.message(encode({ type: "q", n: 1 }));
    await later;
    expect(taken(net.last)).toEqual(["next", "later"]);
  });

  test("sets a message aside after which three proven connections ended", async () => {
    const { net, conn } = await openSession();
    const drops = record(conn, "dropped");
    const call = rejection(conn.send("bad", { confirm: true }));
    conn.send("good");
    for (let returns = 0; returns < 5; returns++) {
      expect(drops).toEqual([]);
      (await dropped(net)).message(encode({ type: "A", rx: 0 }));
      if (returns > 0) net.last.message(encode({ type: "q", n: 0 }));
    }
    await settleMicrotasks();
    (await dropped(net)).message(encode({ type: "A", rx: 0 }));
    await settleMicrotasks();
    expect(await call).toMatchObject({ code: "poison", payload: "bad" });
    expect(drops).toMatchObject([{ payload: "bad", error: { code: "poison" } }]);
    expect(taken(net.last).slice(1)).toEqual(["good"]);
  });

  test("that is answered with a count that can't be ends the Conn with 4400", async () => {
    const { net, conn } = await openSession();
    const next = await dropped(net);
    next.message(encode({ type: "A", rx: 1 }));
    expect(await conn.closed).toMatchObject({ code: 4400, by: "policy", error: { cause: { code: "session-lost" } } });
    expect(next.closedWith).toEqual({ code: 4400 });
  });
});

describe("a lost session", () => {
  test("is reported exactly, and followed by what was not delivered", async () => {
    const { net, conn } = await openSession();
    const lost = record(conn, "session-lost");
    const opens = record(conn, "open");
    const calls = ["a", "b"].map((payload) => conn.send(payload, { confirm: true }));
    conn.send("c");
    const next = await dropped(net);
    taken(next);
    next.message(encode({ type: "X", why: "e", n: 1, rx: 1 }));
    await settleMicrotasks();
    expect(lost).toEqual([{ delivered: ["a"], undelivered: ["b", "c"], inDoubt: [] }]);
    await calls[0];
    expect(taken(next)).toEqual([{ type: "N", win: 2 ** 20 }, "b", "c", { type: "?" }]);
    expect(opens).toMatchObject([{ resumed: false, reconnected: true }]);
    next.message(ack(1));
    await calls[1];
  });

  test("rejects what nobody knows of, and flush() with it", async () => {
    const { net, conn } = await openSession();
    const call = rejection(conn.send("a", { confirm: true }));
    const flush = rejection(conn.flush());
    const next = await dropped(net);
    next.message(encode({ type: "X", why: "u" }));
    expect(await call).toMatchObject({ code: "session-lost", payload: "a" });
    expect(await flush).toMatchObject({ code: "session-lost" });
    expect(conn.stats.unacknowledged.messages).toBe(0);
  });

  test("leaves a message in doubt for good, however often it is sent again", async () => {
    const { net, conn } = await openSession();
    const lost = record(conn, "session-lost");
    conn.send("twice", { resend: true });
    conn.send("once");
    (await dropped(net)).message(encode({ type: "X", why: "u" }));
    await settleMicrotasks();
    conn.send("later");
    (await dropped(net)).message(encode({ type: "X", why: "e", n: 0, rx: 0 }));
    await settleMicrotasks();
    expect(lost).toEqual([
      { delivered: [], undelivered: [], inDoubt: ["twice", "once"] },
      { delivered: [], undelivered: ["later"], inDoubt: ["twice"] },
    ]);
    net.last.message(encode({ type: "f", n: 0, rx: 0 }));
    net.last.drop(1000, "", true);
    expect(await conn.closed).toMatchObject({ unsent: ["later"], inDoubt: ["twice"] });
  });

  test("leaves a message in doubt that the Conn had no time to send again", async () => {
    const { net, conn } = await openSession(
      {},
      {
        setup: async ({ attempt, receive }) => {
          if (attempt > 0) await receive();
        },
      },
    );
    conn.send("twice", { resend: true });
    (await dropped(net)).message(encode({ type: "X", why: "u" }));
    await settleMicrotasks();
    conn.close();
    expect(await conn.closed).toMatchObject({ unsent: [], inDoubt: ["twice"] });
  });

  test("runs setup again, ahead of what it left", async () => {
    const setup: ConnOptions["setup"] = ({ send }) => send("login");
    const { net } = await openSession({}, { setup });
    const next = await dropped(net);
    expect(taken(next)).toMatchObject([{ type: "R" }]);
    next.message(encode({ type: "X", why: "o", n: 0, rx: 0 }));
    await settleMicrotasks();
    // The login of the lost session is a message like any other, and was not counted.
    expect(taken(next)).toMatchObject([{ type: "N" }, "login", "login"]);
  });
});

describe("setup", () => {
  const loginThenWait: ConnOptions["setup"] = async ({ send, receive }) => {
    send("login");
    await receive();
  };

  test("does not run on a resumed session", async () => {
    let runs = 0;
    const { net, conn } = await openSession({}, { setup: () => void runs++ });
    (await dropped(net)).message(encode({ type: "A", rx: 0 }));
    await settleMicrotasks();
    expect(conn.state).toBe("open");
    expect(runs).toBe(1);
  });

  test("that is cut off ends the session, and what it said is not sent again", async () => {
    const { net } = resuming({}, { setup: loginThenWait });
    await settleMicrotasks();
    await greet(net.last);
    expect(frames(net.last)).toEqual([{ type: "N", win: 2 ** 20 }, "login"]);
    const next = await dropped(net);
    expect(frames(next)).toEqual([{ type: "N", win: 2 ** 20 }, "login"]);
  });
});

describe("acknowledging", () => {
  const receive = (socket: FakeSocket, count: number, text = "") => {
    for (let n = 0; n < count; n++) socket.message(text);
  };

  test("comes after 1,024 messages", async () => {
    const { socket } = await openSession();
    receive(socket, 1_023);
    await settleMicrotasks();
    expect(taken(socket)).toEqual([]);
    receive(socket, 1);
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "a", n: 1_024 }]);
  });

  test("comes once for all that came in a turn", async () => {
    const { socket } = await openSession();
    receive(socket, 1_500);
    expect(taken(socket)).toEqual([]);
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "a", n: 1_500 }]);
    receive(socket, 1_023);
    await settleMicrotasks();
    expect(taken(socket)).toEqual([]);
  });

  test("comes after a quarter of the window", async () => {
    const { socket } = await openSession({ windowBytes: 4_000 });
    receive(socket, 1, "x".repeat(900));
    await settleMicrotasks();
    expect(taken(socket)).toEqual([]);
    receive(socket, 1);
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "a", n: 2 }]);
  });

  test("comes two seconds after the first message, once", async () => {
    const { socket } = await openSession();
    receive(socket, 1);
    await advance(1_500);
    receive(socket, 1);
    await advance(499);
    expect(taken(socket)).toEqual([]);
    await advance(1);
    expect(taken(socket)).toEqual([{ type: "a", n: 2 }]);
    await advance(60_000);
    expect(taken(socket)).toEqual([]);
  });

  test("answers a turn's questions once", async () => {
    const { socket } = await openSession();
    for (let n = 0; n < 9; n++) socket.message(encode({ type: "?" }));
    receive(socket, 1);
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "a", n: 1 }]);
  });

  test("counts what was pulled where that is asked for", async () => {
    const { conn, socket } = await openSession({ ack: "consumed" });
    receive(socket, 1_100, "x");
    await advance(10_000);
    expect(taken(socket)).toEqual([]);
    await conn.receive();
    await advance(2_000);
    expect(taken(socket)).toEqual([{ type: "a", n: 1 }]);
    for (let n = 1; n < 1_025; n++) await conn.receive();
    expect(taken(socket)).toEqual([{ type: "a", n: 1_025 }]);
  });

  test("holds back a peer whose messages are not taken in", async () => {
    const { conn, socket } = await openSession({}, { inbox: { highWaterMark: 1_000 } });
    receive(socket, 10, "x".repeat(100));
    expect(taken(socket)).toEqual([]);
    receive(socket, 300, "x".repeat(100));
    socket.message(encode({ type: "?" }));
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "a", n: 0 }]);
    while (conn.stats.inbox.messages > 0) await conn.receive();
    await settleMicrotasks();
    expect(taken(socket).at(-1)).toEqual({ type: "a", n: 310 });
  });

  test("goes on holding the peer back after a return", async () => {
    const { net, conn, socket } = await openSession({}, { inbox: { highWaterMark: 1_000 } });
    receive(socket, 20, "x".repeat(100));
    await conn.receive();
    const next = await dropped(net);
    taken(next);
    next.message(encode({ type: "A", rx: 0 }));
    next.message(encode({ type: "?" }));
    await settleMicrotasks();
    expect(taken(next)).toEqual([
      { type: "a", n: 1 },
      { type: "a", n: 1 },
    ]);
    while (conn.stats.inbox.messages > 0) await conn.receive();
    await settleMicrotasks();
    expect(taken(next).at(-1)).toEqual({ type: "a", n: 20 });
  });

  test("lets the peer go on after a return when the application followed meanwhile", async () => {
    const { net, conn, socket } = await openSession({}, { inbox: { highWaterMark: 1_000 } });
    receive(socket, 20, "x".repeat(100));
    net.last.drop();
    while (conn.stats.inbox.messages > 0) await conn.receive();
    await advance(300);
    await greet(net.last, "two");
    net.last.message(encode({ type: "A", rx: 0 }));
    await settleMicrotasks();
    taken(net.last);
    receive(net.last, 5, "x");
    net.last.message(encode({ type: "?" }));
    await settleMicrotasks();
    expect(taken(net.last)).toEqual([{ type: "a", n: 25 }]);
  });

  test("comes after a quarter of the window that the peer may use, where that is the smaller one", async () => {
    const { conn, socket } = await openSession({ windowBytes: 2 ** 20, ack: "consumed" });
    receive(socket, 40, "x".repeat(9_936));
    for (let n = 0; n < 9; n++) await conn.receive();
    expect(taken(socket)).toEqual([]);
    await conn.receive();
    expect(taken(socket)).toEqual([{ type: "a", n: 10 }]);
  });

  test("answers a turn's pings once", async () => {
    const { socket } = await openSession();
    for (let n = 0; n < 1_000; n++) socket.message(encode({ type: "p", n: 0 }));
    socket.message(encode({ type: "?" }));
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "q", n: 0 }]);
  });
});

describe("a peer that goes beyond its window", () => {
  test("breaks the protocol", async () => {
    const { conn, socket } = await openSession({ windowBytes: 200 }, { inbox: { highWaterMark: 100 } });
    for (let n = 0; n < 4; n++) socket.message("x");
    await settleMicrotasks();
    expect(conn.state).toBe("open");
    socket.message("x");
    expect(await conn.closed).toMatchObject({ code: 4400, by: "policy" });
    expect(conn.stats.inbox.messages).toBe(4);
  });

  test("does not break it in a turn whose acknowledgement is still to come", async () => {
    const { conn, socket } = await openSession({ windowBytes: 200 });
    for (let turn = 0; turn < 9; turn++) {
      for (let n = 0; n < 4; n++) socket.message("x");
      await settleMicrotasks();
    }
    expect(conn.state).toBe("open");
    expect(conn.stats.received).toBe(36);
  });

  test("is measured as it measures: text by its units", async () => {
    const { conn, socket } = await openSession({ windowBytes: 200, ack: "consumed" });
    socket.message("ü".repeat(100));
    socket.message("\u0010\u0010");
    await settleMicrotasks();
    expect(conn.state).toBe("open");
  });
});

describe("sending", () => {
  test("waits while the peer's window is full, and goes on when it opens", async () => {
    const { conn, socket } = await openSession({ windowBytes: 200 });
    const calls = ["a", "b", "c", "d", "e"].map((payload) => conn.send(payload));
    expect(taken(socket)).toEqual(["a", "b", { type: "?" }, "c", "d"]);
    expect(await isSettled(calls[3] as Promise<void>)).toBe(false);
    socket.message(ack(1));
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "?" }, "e"]);
    socket.message(ack(5));
    await Promise.all(calls);
  });

  test("lets a message larger than the window through, alone", async () => {
    const { conn, socket } = await openSession({ windowBytes: 100 });
    const large = "x".repeat(10_000);
    conn.send(large);
    conn.send("next");
    expect(taken(socket)).toEqual([large, { type: "?" }]);
    socket.message(ack(1));
    await settleMicrotasks();
    expect(taken(socket)).toEqual(["next", { type: "?" }]);
  });

  test("does not ask in circles where the peer has nothing to acknowledge", async () => {
    const { conn, socket } = await openSession({ windowBytes: 100 });
    conn.send("x".repeat(100));
    for (let n = 0; n < 5; n++) socket.message(ack(0));
    expect(taken(socket)).toEqual(["x".repeat(100), { type: "?" }]);
  });

  test("confirms what the peer has counted, and asks for it", async () => {
    const { conn, socket } = await openSession();
    const call = conn.send("a", { confirm: true });
    expect(taken(socket)).toEqual(["a", { type: "?" }]);
    expect(await isSettled(call)).toBe(false);
    socket.message(ack(1));
    await call;
  });

  test("gives up waiting for a confirmation when its signal says so", async () => {
    const { conn } = await openSession();
    const controller = new AbortController();
    const call = rejection(conn.send("a", { confirm: true, signal: controller.signal }));
    controller.abort();
    expect(await call).toMatchObject({ code: "aborted" });
  });

  test("flushes until all is acknowledged, across a drop", async () => {
    const { net, conn, socket } = await openSession();
    conn.send("a");
    const flush = conn.flush();
    await settleMicrotasks();
    expect(taken(socket)).toEqual(["a", { type: "?" }]);
    const next = await dropped(net);
    next.message(encode({ type: "A", rx: 0 }));
    await settleMicrotasks();
    expect(taken(next).slice(1)).toEqual(["a", { type: "?" }]);
    expect(await isSettled(flush)).toBe(false);
    next.message(ack(1));
    await flush;
    await conn.flush();
  });

  test("takes confirm for misuse where there is no resume", () => {
    const { conn } = createConn();
    expect(thrown(() => conn.send("a", { confirm: true }))).toMatchObject({ code: "misuse" });
  });
});

describe("control", () => {
  test.each<[string, ControlFrame | string]>([
    ["an acknowledgement of what was never sent", { type: "a", n: 1 }],
    ["a pong of what was never sent", { type: "q", n: 36 ** 10 - 1 }],
    ["a second greeting", greeting("again")],
    ["a client's word", { type: "N", win: 1 }],
    ["nonsense", "\u0010nonsense"],
    ["the mark alone", "\u0010"],
    ["too much of it", `\u0010a ${"0".repeat(300)}`],
  ])("ends the Conn with 4400 and is no message: %s", async (_what, frame) => {
    const { conn, socket } = await openSession();
    const messages = record(conn, "message");
    const losses = record(conn, "disconnected");
    socket.message(typeof frame === "string" ? frame : encode(frame));
    expect(await conn.closed).toMatchObject({ code: 4400 });
    expect(socket.closedWith).toEqual({ code: 4400 });
    expect(losses).toMatchObject([{ code: 4400, willRetry: false, cause: { code: "session-lost" } }]);
    expect(messages).toEqual([]);
  });

  test("an acknowledgement that goes back ends it too", async () => {
    const { conn, socket } = await openSession();
    conn.send("a");
    conn.send("b");
    socket.message(ack(2));
    socket.message(ack(1));
    expect(await conn.closed).toMatchObject({ code: 4400 });
  });

  test("bytes that look like it are a message", async () => {
    const { conn, socket } = await openSession();
    const messages = record(conn, "message");
    const bytes = new TextEncoder().encode(ack(9));
    socket.message(bytes);
    await settleMicrotasks();
    expect(messages).toEqual([bytes]);
  });
});

describe("pings", () => {
  const heartbeat = { intervalMs: 5_000, timeoutMs: 2_000 };

  test("carry the acknowledgement, and tell the latency where the platform has no pings", async () => {
    const { conn, socket } = await openSession({}, { heartbeat });
    const latencies = record(conn, "latency");
    socket.message("x");
    await advance(1_500);
    await advance(3_500);
    expect(taken(socket)).toEqual([
      { type: "a", n: 1 },
      { type: "p", n: 1 },
    ]);
    await advance(40);
    socket.message(encode({ type: "q", n: 0 }));
    expect(latencies).toEqual([{ rttMs: 40 }]);
  });

  test("find a dead line", async () => {
    const { conn } = await openSession({}, { heartbeat });
    const losses = record(conn, "disconnected");
    await advance(7_001);
    expect(losses).toMatchObject([{ code: 1006, cause: { code: "timeout" } }]);
  });

  test("of the peer are answered", async () => {
    const { socket } = await openSession();
    socket.message("x");
    socket.message(encode({ type: "p", n: 0 }));
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "q", n: 1 }]);
  });
});

describe("a Conn that is asked to move", () => {
  test("stays until its moment, then returns over another connection, and nothing was lost", async () => {
    const { net, conn, socket } = await openSession();
    const events = recordAll(conn);
    socket.message(encode({ type: "m", min: 5_000, max: 9_000 }));
    await advance(4_999);
    expect(conn.state).toBe("open");
    await advance(4_001);
    expect(socket.closedWith).toEqual({ code: 4001 });
    expect(net.sockets).toHaveLength(2);
    await greet(net.last, "two");
    net.last.message(encode({ type: "A", rx: 0 }));
    await settleMicrotasks();
    expect(events).toEqual(["open>connecting", "connecting>open", "open"]);
  });

  test("moves no more once it has left that connection", async () => {
    const { net, socket } = await openSession();
    socket.message(encode({ type: "m", min: 5_000, max: 5_000 }));
    (await dropped(net)).message(encode({ type: "A", rx: 0 }));
    await advance(20_000);
    expect(net.sockets).toHaveLength(2);
  });
});

describe("closing", () => {
  test("waits until all is acknowledged, says how far it has come, and takes nothing more in", async () => {
    const { conn, socket } = await openSession();
    socket.message("x");
    conn.send("a");
    const closing = conn.close();
    await settleMicrotasks();
    expect(taken(socket)).toEqual(["a", { type: "?" }]);
    socket.message(ack(1));
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "f", n: 1, rx: 1 }]);
    expect(socket.closedWith).toEqual({ code: 1000 });
    expect(await closing).toMatchObject({ code: 1000, clean: true, unsent: [], inDoubt: [] });
  });

  test("gives back what nobody acknowledged in time", async () => {
    const { net, conn } = await openSession();
    net.answersClose = false;
    const call = rejection(conn.send("a", { confirm: true }));
    conn.send("b");
    const closing = conn.close();
    await advance(2_000);
    expect(await closing).toMatchObject({ clean: false, unsent: [], inDoubt: ["a", "b"] });
    expect(await call).toMatchObject({ code: "closed", payload: "a" });
  });

  const final = (n: number, rx = n) => encode({ type: "f", n, rx });

  test("learns from a peer that closes what it received", async () => {
    const { conn, socket } = await openSession();
    for (const payload of ["a", "b", "c"]) conn.send(payload);
    socket.message(final(1));
    socket.drop(1000, "", true);
    expect(await conn.closed).toMatchObject({ by: "peer", unsent: ["b", "c"], inDoubt: [] });
  });

  test("is in doubt about what the peer received and did not acknowledge", async () => {
    const { conn, socket } = await openSession();
    const confirmed = conn.send("a", { confirm: true });
    const call = rejection(conn.send("b", { confirm: true }));
    conn.send("c");
    socket.message(final(1, 2));
    socket.drop(1000, "", true);
    expect(await conn.closed).toMatchObject({ unsent: ["c"], inDoubt: ["b"] });
    await confirmed;
    expect(await call).toMatchObject({ code: "closed", payload: "b" });
  });

  test.each<[string, (socket: FakeSocket) => void]>([
    ["nothing", () => {}],
    ["an ordinary acknowledgement", (socket) => socket.message(ack(1))],
    ["a pong", (socket) => socket.message(encode({ type: "q", n: 1 }))],
  ])("with 1000 by a gateway is no account of the peer's: after %s all is in doubt", async (_what, before) => {
    const { conn, socket } = await openSession();
    for (const payload of ["a", "b"]) conn.send(payload);
    before(socket);
    socket.drop(1000, "", true);
    const { inDoubt, unsent } = await conn.closed;
    expect([inDoubt.at(-1), unsent]).toEqual(["b", []]);
  });

  test.each([
    ["another code", 1001, true],
    ["no close frame", 1006, false],
  ])("after final counts with %s leaves all in doubt", async (_what, code, clean) => {
    const { conn, socket } = await openSession({}, { shouldRetry: () => false });
    conn.send("a");
    socket.message(final(0));
    socket.drop(code, "", clean);
    expect(await conn.closed).toMatchObject({ unsent: [], inDoubt: ["a"] });
  });

  test.each<[string, string]>([
    ["a message", "more"],
    ["control", ack(0)],
    ["final counts again", final(0)],
  ])("breaks the protocol where final counts are followed by %s", async (_what, next) => {
    const { conn, socket } = await openSession();
    const messages = record(conn, "message");
    conn.send("a");
    socket.message(final(0));
    socket.message(next);
    expect(await conn.closed).toMatchObject({ code: 4400, unsent: [], inDoubt: ["a"] });
    expect(messages).toEqual([]);
  });

  test.each([final(2, 2), final(1, 0), final(0, 2)])(
    "breaks the protocol with counts that can't be: %j",
    async (frame) => {
      const { conn, socket } = await openSession();
      conn.send("a");
      socket.message(frame);
      expect(await conn.closed).toMatchObject({ code: 4400 });
    },
  );

  test.each(["before the greeting", "before the answer to the return"])(
    "of a later connection by a gateway, %s, says nothing of what the peer stated on an earlier one",
    async (moment) => {
      const { net, conn, socket } = await openSession();
      conn.send("a");
      socket.message(final(0));
      socket.drop();
      await advance(300);
      if (moment === "before the greeting") net.last.open({ protocol: NAME });
      else await greet(net.last, "two");
      net.last.drop(1000, "", true);
      expect(await conn.closed).toMatchObject({ by: "peer", unsent: [], inDoubt: ["a"] });
    },
  );

  test("acknowledges only what was consumed, where that is asked for", async () => {
    const { conn, socket } = await openSession({ ack: "consumed" });
    for (const text of ["a", "b", "c"]) socket.message(text);
    await conn.receive();
    conn.close();
    await settleMicrotasks();
    expect(taken(socket)).toEqual([{ type: "f", n: 1, rx: 3 }]);
  });

  test("leaves in doubt what a return showed to be received, and what nobody acknowledged", async () => {
    const { net, conn } = await openSession();
    const call = rejection(conn.send("a", { confirm: true }));
    conn.send("b");
    const next = await dropped(net);
    next.message(encode({ type: "A", rx: 1 }));
    net.answersClose = false;
    const closing = conn.close();
    await advance(2_000);
    expect(await closing).toMatchObject({ clean: false, unsent: [], inDoubt: ["a", "b"] });
    expect(await call).toMatchObject({ code: "closed" });
  });

  test("of a session that had ended well is learned on the return", async () => {
    const { net, conn } = await openSession();
    conn.send("a");
    conn.send("b");
    const next = await dropped(net);
    next.message(final(1));
    next.drop(1000, "", true);
    expect(await conn.closed).toMatchObject({ by: "peer", code: 1000, unsent: ["b"], inDoubt: [] });
  });
});
