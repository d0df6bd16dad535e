import { afterEach, describe, expect, test, vi } from "vitest";
import { Conn, type Payload } from "../../../../src/index.ts";
import { resume } from "../../../../src/resume/client/index.ts";
import { type ControlFrame, decode } from "../../../../src/resume/protocol/control.ts";
import {
  type HandlerOptions,
  handle,
  handler,
  type ServerConn,
  type SessionOptions,
} from "../../../../src/server/index.ts";
import { CONN_CLOCK } from "../../../support/fake-time.ts";
import { dial, rawSocket, site, statusOf, until, upgradeRequest } from "../../../support/ws-server.ts";
import {
  acceptControl,
  dropClient,
  openSession,
  type RawClient,
  rawClient,
  resumeControl,
  serving,
} from "../../server/serving.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** Tries to return to the session of `first`, with a wrong secret and as another principal, whose client is returned. */
async function failToTake(first: RawClient, url: string): Promise<RawClient> {
  const guess = await rawClient(url, { "x-user": "ada" });
  guess.send(resumeControl(first, { secret: guess.secret }));
  await until(() => expect(guess.read()).toEqual([{ type: "X", why: "u" }]));
  const thief = await rawClient(url, { "x-user": "eve" });
  thief.send(resumeControl(first));
  await until(() => expect(thief.read()).toEqual([{ type: "X", why: "p" }]));
  return thief;
}

describe("a session", () => {
  test("begins with the greeting, and the function runs when a client takes the session", async () => {
    const server = await serving({ ttlMs: 90_000, windowBytes: 5_000 });
    const client = await rawClient(server.url());
    expect(decode(String(client.received[0]))).toMatchObject({ ttl: 90, win: 5_000 });
    expect(server.conns).toHaveLength(0);
    client.send(acceptControl, "hello");
    await until(() => expect(server.received).toEqual(["hello"]));
    expect(server.conns).toHaveLength(1);
    expect(server.conns[0]).toMatchObject({ state: "open", protocol: "" });
  });

  test("is one Conn while its client drops and returns", async () => {
    const server = await serving();
    const first = await openSession(server, "one");
    const [conn] = server.conns;
    const opens: unknown[] = [];
    const waits: unknown[] = [];
    conn?.on("open", ({ resumed }) => opens.push(resumed));
    conn?.on("waiting", ({ reason, delayMs }) => waits.push([reason, delayMs]));
    conn?.send("a");
    await until(() => expect(first.read()).toEqual(["a"]));
    await dropClient(first, conn);
    conn?.send("b");
    const second = await rawClient(server.url("/ws?again"));
    second.send(resumeControl(first, { rx: 1 }));
    await until(() => expect(second.read()).toEqual([{ type: "A", rx: 1 }, { type: "a", n: 1 }, "b"]));
    second.send("two");
    await until(() => expect(server.received).toEqual(["one", "two"]));
    expect(server.conns).toHaveLength(1);
    expect(conn?.request.url).toBe("/ws?again");
    expect(opens).toEqual([true]);
    expect(waits).toEqual([["peer", 120_000]]);
  });

  test.each([
    ["waits 5 s for a page that was left, which Firefox reports by 1001", "", "http://127.0.0.1", 5_000],
    ["waits the whole ttlMs for a program that leaves with 1001", "", undefined, 120_000],
    ["waits the whole ttlMs where a proxy leaves with 1001 and a reason", "proxy restart", "http://127.0.0.1", 120_000],
  ])("%s", async (_name, reason, origin, delayMs) => {
    const server = await serving({}, { origins: () => true });
    const client = await rawClient(server.url(), origin === undefined ? {} : { origin });
    client.send(acceptControl);
    await until(() => expect(server.conns).toHaveLength(1));
    const waits: unknown[] = [];
    server.conns[0]?.on("waiting", (info) => waits.push(info.delayMs));
    client.socket.close(1001, reason);
    await until(() => expect(waits).toEqual([delayMs]));
  });

  test("that waits for a page that was left is there for a page that returns in time", async () => {
    const server = await serving({}, { origins: () => true });
    const first = await rawClient(server.url(), { origin: "http://127.0.0.1" });
    first.send(acceptControl, "one");
    await until(() => expect(server.received).toEqual(["one"]));
    first.socket.close(1001);
    await until(() => expect(server.conns[0]?.state).toBe("waiting"));
    const second = await rawClient(server.url());
    second.send(resumeControl(first), "two");
    await until(() => expect(server.received).toEqual(["one", "two"]));
    second.socket.terminate();
    const waits: unknown[] = [];
    server.conns[0]?.on("waiting", (info) => waits.push(info.delayMs));
    await until(() => expect(waits).toEqual([120_000]));
  });

  test("goes on for a client of ours, whatever happens to its sockets", async () => {
    const server = await serving({}, {}, (conn) => void conn.on("message", (message) => conn.send(message)));
    const conn = new Conn(server.url(), { resume: resume(), backoff: () => 0 });
    const echoes: Payload[] = [];
    conn.on("message", (message) => echoes.push(message));
    const opens: boolean[] = [];
    conn.on("open", ({ resumed }) => opens.push(resumed));
    const sent = Array.from({ length: 300 }, (_, index) => `message ${index}`);
    for (const [index, message] of sent.entries()) {
      await conn.send(message);
      if (index % 100 !== 50) continue;
      // Each time over another connection, or nothing would be destroyed.
      await until(() => expect(server.conns[0]?.state).toBe("open"));
      server.conns[0]?.request.socket.destroy();
      await until(() => expect(opens).toHaveLength(2 + (index - 50) / 100));
    }
    await until(() => expect(echoes).toEqual(sent));
    expect(opens).toEqual([false, true, true, true]);
    expect(server.conns).toHaveLength(1);
    await conn.close();
    await until(() => expect(server.conns[0]?.state).toBe("closed"));
  });

  test("shows the application its own protocol", async () => {
    const server = await serving({}, { protocols: ["chat"] });
    const conn = new Conn(server.url(), { protocols: ["other", "chat"], resume: resume() });
    await conn.ready();
    expect(conn.protocol).toBe("chat");
    await until(() => expect(server.conns[0]?.protocol).toBe("chat"));
    await conn.close();
  });

  test("changes nothing for a client that does not speak resume", async () => {
    const server = await serving({}, { protocols: ["chat"] });
    const { socket, received, closed } = await dial(server.url(), { protocols: ["chat"] });
    socket.send("\u0010x");
    await until(() => expect(server.received).toEqual(["\u0010x"]));
    server.conns[0]?.send("\u0010y");
    await until(() => expect(received).toEqual(["\u0010y"]));
    socket.close(4000);
    await closed;
    await until(() => expect(server.conns[0]?.state).toBe("closed"));
  });
});

describe("a client that returns", () => {
  test("while the server still holds its old socket makes the server ignore and close the old one", async () => {
    const server = await serving();
    const first = await openSession(server, "one");
    const second = await rawClient(server.url());
    second.send(resumeControl(first));
    first.send("ghost");
    await until(() => expect(second.read()[0]).toEqual({ type: "A", rx: 1 }));
    expect(await first.closed).toMatchObject({ code: 4409 });
    second.send("two");
    await until(() => expect(server.received).toEqual(["one", "two"]));
  });

  test("finds a session that was only issued, and the socket that issued it is closed", async () => {
    const server = await serving();
    const first = await rawClient(server.url());
    const second = await rawClient(server.url());
    second.send(resumeControl(first), "hello");
    first.send(acceptControl, "ghost");
    await until(() => expect(second.read()).toEqual([{ type: "A", rx: 0 }]));
    await until(() => expect(server.received).toEqual(["hello"]));
    expect(await first.closed).toMatchObject({ code: 4409 });
    expect(server.conns).toHaveLength(1);
  });

  test("late, on an old path, changes nothing", async () => {
    const server = await serving();
    const first = await openSession(server);
    const second = await rawClient(server.url());
    second.send(resumeControl(first, { gen: 2 }));
    await until(() => expect(second.read()).toEqual([{ type: "A", rx: 0 }]));
    const late = await rawClient(server.url());
    late.send(resumeControl(first, { gen: 1 }));
    expect(await late.closed).toMatchObject({ code: 4409 });
    second.send("still here");
    await until(() => expect(server.received).toEqual(["still here"]));
  });

  test("with a wrong secret or another principal is turned away, and the session goes on", async () => {
    const server = await serving({ principal: ({ headers }) => headers["x-user"] as string });
    const first = await rawClient(server.url(), { "x-user": "ada" });
    first.send(acceptControl);
    const thief = await failToTake(first, server.url());
    thief.send(acceptControl);
    first.send("mine");
    await until(() => expect(server.received).toEqual(["mine"]));
    expect(server.conns).toHaveLength(2);
  });

  test("with a wrong secret or another principal leaves a session in setup alone", async () => {
    const setup = async ({ receive }: { receive(): Promise<Payload> }) => {
      await receive();
    };
    const principal = ({ headers }: { headers: object }) => (headers as { "x-user"?: string })["x-user"];
    const server = await serving({ principal }, { setup });
    const first = await rawClient(server.url(), { "x-user": "ada" });
    first.send(acceptControl);
    await failToTake(first, server.url());
    first.send("login", "hello");
    await until(() => expect(server.received).toEqual(["hello"]));
  });

  test("too late learns why, and how many messages the server had received", async () => {
    vi.useFakeTimers(CONN_CLOCK);
    const server = await serving({ ttlMs: 90_000 });
    const first = await openSession(server, "one", "two");
    const [conn] = server.conns;
    conn?.send("kept");
    await dropClient(first, conn);
    await vi.advanceTimersByTimeAsync(80_000);
    expect(conn?.state).toBe("waiting");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await conn?.closed).toMatchObject({
      by: "gave-up",
      inDoubt: ["kept"],
      error: { cause: { code: "session-lost" } },
    });
    const second = await rawClient(server.url());
    second.send(resumeControl(first));
    await until(() => expect(second.read()).toEqual([{ type: "X", why: "e", n: 2, rx: 2 }]));
    second.send(acceptControl, "again");
    await until(() => expect(server.received).toEqual(["one", "two", "again"]));
    expect(server.conns).toHaveLength(2);
  });

  test("to a Conn that was closed in the meantime gets the count and close code 1000", async () => {
    const server = await serving();
    const first = await openSession(server, "one");
    const [conn] = server.conns;
    await dropClient(first, conn);
    await conn?.close();
    const second = await rawClient(server.url());
    second.send(resumeControl(first));
    expect(await second.closed).toMatchObject({ code: 1000 });
    expect(second.read()).toEqual([{ type: "f", n: 1, rx: 1 }]);
  });

  test("to a Conn that is in setup begins anew", async () => {
    let runs = 0;
    const setup = async ({ receive }: { receive(): Promise<Payload> }) => {
      runs++;
      await receive();
    };
    const server = await serving({}, { setup });
    const first = await rawClient(server.url());
    first.send(acceptControl);
    await until(() => expect(runs).toBe(1));
    const second = await rawClient(server.url());
    second.send(resumeControl(first));
    await until(() => expect(second.read()).toEqual([{ type: "X", why: "e", n: 0, rx: 0 }]));
    second.send(acceptControl, "login", "hello");
    await until(() => expect(server.received).toEqual(["hello"]));
    expect(runs).toBe(2);
  });
});

describe("a breach of the protocol", () => {
  test.each<[string, ControlFrame | string]>([
    ["a message before the session is chosen", "hello"],
    ["nonsense", "\u0010nonsense"],
    ["a server's word", { type: "A", rx: 0 }],
  ])("ends the socket with 4400, and no other session: %s", async (_what, frame) => {
    const server = await serving();
    const other = await openSession(server);
    const client = await rawClient(server.url());
    client.send(frame);
    expect(await client.closed).toMatchObject({ code: 4400 });
    other.send("untouched");
    await until(() => expect(server.received).toEqual(["untouched"]));
    expect(server.conns).toHaveLength(1);
  });

  test.each<[string, ControlFrame | string]>([
    ["an acknowledgement beyond what was sent", { type: "a", n: 36 ** 10 - 1 }],
    ["a request to move", { type: "m", min: 0, max: 1 }],
    ["a second session", acceptControl],
  ])("ends the session with 4400: %s", async (_what, frame) => {
    const server = await serving();
    const other = await openSession(server);
    const client = await openSession(server, "one");
    client.send(frame);
    expect(await client.closed).toMatchObject({ code: 4400 });
    expect(await server.conns[1]?.closed).toMatchObject({ code: 4400, by: "policy" });
    other.send("untouched");
    await until(() => expect(server.received).toEqual(["one", "untouched"]));
  });

  test("an impossible count ends the session that it names", async () => {
    const server = await serving();
    const first = await openSession(server);
    const second = await rawClient(server.url());
    second.send(resumeControl(first, { rx: 1 }));
    expect(await second.closed).toMatchObject({ code: 4400 });
    await server.conns[0]?.closed;
    const third = await rawClient(server.url());
    third.send(resumeControl(first, { gen: 2 }));
    await until(() => expect(third.read()).toEqual([{ type: "X", why: "u", n: 0, rx: 0 }]));
  });

  test("a client that stays silent is closed with 4408 after ten seconds", async () => {
    const server = await serving();
    vi.useFakeTimers(CONN_CLOCK);
    const { socket, closed, received } = await dial(server.url(), { protocols: ["resume.v1"] });
    await until(() => expect(received).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(socket.readyState).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    vi.useRealTimers();
    expect(await closed).toMatchObject({ code: 4408 });
  });
});

describe("a client that ignores its window", () => {
  test("is cut off, and its session with it", async () => {
    const server = await serving({ windowBytes: 1_000 });
    const client = await openSession(server);
    client.send(...Array.from({ length: 5_000 }, (_, n) => `message ${n}`));
    expect(await client.closed).toMatchObject({ code: 4400 });
    expect(await server.conns[0]?.closed).toMatchObject({ code: 4400, by: "policy" });
    expect(server.received.length).toBeLessThan(5_000);
  });
});

describe("memory", () => {
  test("is bounded by maxSessions: the session that is away longest ends", async () => {
    const server = await serving({ maxSessions: 2 });
    const clients = [await openSession(server), await openSession(server), await openSession(server)];
    for (const [index, client] of clients.entries()) {
      client.socket.terminate();
      await until(() => expect(server.conns[index]?.state).not.toBe("open"));
    }
    expect(await server.conns[0]?.closed).toMatchObject({ by: "gave-up" });
    expect(server.conns.map(({ state }) => state)).toEqual(["closed", "waiting", "waiting"]);
    const late = await rawClient(server.url());
    late.send(resumeControl(clients[0] as RawClient));
    await until(() => expect(late.read()).toEqual([{ type: "X", why: "o", n: 0, rx: 0 }]));
  });

  test("is bounded by maxBytes, which counts messages for away clients at once", async () => {
    const server = await serving({ maxBytes: 10_000 });
    const clients = [await openSession(server), await openSession(server)];
    for (const [index, client] of clients.entries()) await dropClient(client, server.conns[index]);
    const [first, second] = server.conns;
    second?.send("x".repeat(6_000));
    expect(first?.state).toBe("waiting");
    second?.send("x".repeat(6_000));
    await first?.closed;
    expect(await second?.closed).toMatchObject({ by: "gave-up", unsent: ["x".repeat(6_000), "x".repeat(6_000)] });
  });

  test("counts the messages of an away session that its handler has not consumed yet", async () => {
    const conns: ServerConn[] = [];
    const ws = handler((conn) => void conns.push(conn), { resume: { maxBytes: 10_000 }, onError: () => {} });
    const { url } = await site((server) => handle(server, "/ws", ws));
    const leave = async (text: string) => {
      const client = await rawClient(url());
      client.send(acceptControl, text);
      await until(() => expect(conns.at(-1)?.stats.inbox.messages).toBe(1));
      client.socket.terminate();
      await until(() => expect(conns.at(-1)?.state).not.toBe("open"));
    };
    await leave("x".repeat(6_000));
    expect(await conns[0]?.receive()).toHaveLength(6_000);
    await leave("y".repeat(6_000));
    expect(conns.map(({ state }) => state)).toEqual(["waiting", "waiting"]);
    await leave("z".repeat(6_000));
    await until(() => expect(conns.map(({ state }) => state)).toEqual(["closed", "closed", "waiting"]));
    await ws.shutdown();
  });

  test("of authenticated clients is not taken by strangers", async () => {
    const principal = ({ headers }: { headers: object }) => (headers as { "x-user"?: string })["x-user"];
    const server = await serving({ maxSessions: 2, principal });
    const ada = await rawClient(server.url(), { "x-user": "ada" });
    ada.send(acceptControl);
    await until(() => expect(server.conns).toHaveLength(1));
    await dropClient(ada, server.conns[0]);
    for (let i = 0; i < 4; i++) {
      const stranger = await openSession(server);
      stranger.socket.terminate();
      await until(() => expect(server.conns.at(-1)?.state).not.toBe("open"));
    }
    await until(() =>
      expect(server.conns.map(({ state }) => state)).toEqual(["waiting", "closed", "closed", "closed", "waiting"]),
    );
    const again = await rawClient(server.url(), { "x-user": "ada" });
    again.send(resumeControl(ada));
    await until(() => expect(again.read()).toEqual([{ type: "A", rx: 0 }]));
  });

  test("is bounded for each principal by maxSessionsPerPrincipal", async () => {
    const principal = ({ url = "" }) => url.slice(-1);
    const server = await serving({ maxSessionsPerPrincipal: 1, principal });
    for (const user of ["a", "b", "a"]) {
      const client = await rawClient(server.url(`/ws?${user}`));
      client.send(acceptControl, user);
      await until(() => expect(server.received.at(-1)).toBe(user));
      client.socket.terminate();
      await until(() => expect(server.conns.at(-1)?.state).toBe("waiting"));
    }
    await server.conns[0]?.closed;
    expect(server.conns.map(({ state }) => state)).toEqual(["closed", "waiting", "waiting"]);
  });

  test("does not count a session whose client is just coming back", async () => {
    const server = await serving({ maxSessions: 0 });
    const first = await openSession(server, "one");
    const second = await rawClient(server.url());
    second.send(resumeControl(first));
    await until(() =>
      expect(second.read()).toEqual([
        { type: "A", rx: 1 },
        { type: "a", n: 1 },
      ]),
    );
    expect(server.conns[0]?.state).toBe("open");
  });

  test("has room for new clients, however few sessions may be away", async () => {
    const server = await serving({ maxSessions: 0 });
    const clients = [await rawClient(server.url()), await rawClient(server.url()), await rawClient(server.url())];
    for (const [index, client] of clients.entries()) client.send(acceptControl, `${index}`);
    await until(() => expect(new Set(server.received)).toEqual(new Set(["0", "1", "2"])));
  });

  test.each([
    [{ ttlMs: 0 }, "ttlMs"],
    [{ windowBytes: Number.NaN }, "windowBytes"],
    [{ maxSessions: -1 }, "maxSessions"],
    [{ maxBytes: "many" as never }, "maxBytes"],
    [{ ack: "all" as never }, "ack"],
    [{ principal: "ada" as never }, "principal"],
  ])("has options that are checked: %j", (given, name) => {
    const message = expect.stringContaining(`resume.${name}`);
    expect(() => handler(() => {}, { resume: given })).toThrow(
      expect.objectContaining({ code: "bad-option", message }),
    );
  });
});

describe("the end", () => {
  test("of the function closes the Conn, and its client gets the final count", async () => {
    const server = await serving({}, {}, (conn) => new Promise<void>((done) => conn.on("message", () => done())));
    const client = await rawClient(server.url());
    client.send(acceptControl, "only");
    expect(await client.closed).toMatchObject({ code: 1000 });
    expect(client.read()).toEqual([{ type: "f", n: 1, rx: 1 }]);
  });

  test.each([
    [1000, "closed"],
    [1001, "waiting"],
    [4001, "waiting"],
  ])("by close code %i of a page leaves its session %s at once", async (code, state) => {
    const server = await serving();
    const client = await openSession(server, "one");
    client.socket.close(code);
    await client.closed;
    await until(() => expect(server.conns[0]?.state).not.toBe("open"));
    expect(server.conns[0]?.state).toBe(state);
    expect(server.ws.conns.size).toBe(state === "waiting" ? 1 : 0);
  });

  test("by a close frame of the client is the end of the session", async () => {
    const server = await serving();
    const client = await openSession(server, "one");
    client.send({ type: "a", n: 0 });
    client.socket.close(1000);
    expect(await server.conns[0]?.closed).toMatchObject({ by: "peer", code: 1000 });
  });

  test.each<[string, SessionOptions, HandlerOptions]>([
    ["maxSessions is 0", { maxSessions: 0 }, {}],
    ["maxBytes is 0", { maxBytes: 0 }, {}],
    ["maxSessionsPerPrincipal is 0", { maxSessionsPerPrincipal: 0, principal: () => "ada" }, {}],
    ["maxBytes is reached", { maxBytes: 70 }, {}],
  ])(
    "by eviction is no account of the client's, who left after an ordinary acknowledgement: %s",
    async (_why, given) => {
      const server = await serving(given);
      const client = await openSession(server, "one");
      const [conn] = server.conns;
      for (const payload of ["a", "b", "c"]) conn?.send(payload);
      await until(() => expect(client.read()).toEqual(["a", "b", "c"]));
      client.send({ type: "a", n: 1 });
      client.socket.close(4001);
      expect(await conn?.closed).toMatchObject({ by: "gave-up", unsent: [], inDoubt: ["b", "c"] });
    },
  );

  test("by the client with its final counts tells exactly what it did not receive", async () => {
    const server = await serving({ maxSessions: 0 });
    const client = await openSession(server);
    const [conn] = server.conns;
    for (const payload of ["a", "b", "c"]) conn?.send(payload);
    client.send({ type: "f", n: 1, rx: 2 });
    client.socket.close(1000);
    expect(await conn?.closed).toMatchObject({ by: "peer", unsent: ["c"], inDoubt: ["b"] });
  });

  test("by a gateway that closes with 1000 is no account of the client's", async () => {
    const server = await serving();
    const client = await openSession(server);
    const [conn] = server.conns;
    for (const payload of ["a", "b"]) conn?.send(payload);
    client.send({ type: "a", n: 1 });
    client.socket.close(1000);
    expect(await conn?.closed).toMatchObject({ by: "peer", unsent: [], inDoubt: ["b"] });
  });

  test("acknowledges only what the function consumed, where that is asked for", async () => {
    const ws = handler(async (conn) => void (await conn.receive()), { resume: { ack: "consumed" } });
    const { url } = await site((server) => handle(server, "/ws", ws));
    const client = await rawClient(url());
    client.send(acceptControl, "one", "two", "three");
    expect(await client.closed).toMatchObject({ code: 1000 });
    expect(client.read().at(-1)).toEqual({ type: "f", n: 1, rx: 3 });
  });

  test("of the server asks clients to move, and lets the others go one after another", async () => {
    const server = await serving();
    const resuming = await openSession(server);
    const others = [await dial(server.url()), await dial(server.url()), await dial(server.url())];
    await until(() => expect(server.conns).toHaveLength(4));
    let ends = 0;
    for (const { closed } of others) closed.then(() => ends++);
    const start = Math.floor(performance.now());
    const clock = vi.spyOn(performance, "now").mockReturnValue(start);
    const down = server.shutdown({ spreadMs: 300 });
    await until(() => expect(resuming.read()).toEqual([{ type: "m", min: 0, max: 300 }]));
    expect(await statusOf(server.url())).toBe(503);
    for (const [gone, ms] of [0, 100, 200, 300].entries()) {
      expect(resuming.socket.readyState).toBe(1);
      clock.mockReturnValue(start + ms);
      await until(() => expect(ends).toBe(gone));
    }
    await down;
    expect(await resuming.closed).toMatchObject({ code: 1001 });
  });

  test("of the server also ends the sessions of clients that are away", async () => {
    const server = await serving();
    const client = await openSession(server);
    await dropClient(client, server.conns[0]);
    await server.shutdown();
    expect(server.conns[0]?.state).toBe("closed");
  });
});

describe("admission", () => {
  const full = { admission: { perSecond: 1, burst: 1 } };

  test("above the rate requests a delay from a page by close code 1013", async () => {
    const server = await serving({}, full);
    await dial(server.url());
    const { closed } = await dial(server.url(), { origin: `http://127.0.0.1:${server.port}` });
    expect(await closed).toEqual({ code: 1013, reason: expect.stringMatching(/^retry=\d+-\d+$/) });
    expect(server.conns).toHaveLength(1);
  });

  test("above the rate refuses a client that could not read a close reason with 503 and Retry-After", async () => {
    const server = await serving({}, { admission: { perSecond: 0.1, burst: 1 } });
    await dial(server.url());
    const { input } = rawSocket(server.port, upgradeRequest("/ws"));
    await until(() => expect(input()).toContain("\r\n\r\n"));
    // A token takes 10 s, the two refusals 0.5 s each.
    expect(input()).toMatch(/^HTTP\/1\.1 503 .*\r\nRetry-After: 12\r\n/s);
  });

  test("keeps a session beyond its ttlMs until a client that was asked to wait can be back", async () => {
    vi.useFakeTimers(CONN_CLOCK);
    const server = await serving({ ttlMs: 500 }, { admission: { perSecond: 4, burst: 2 } });
    const client = await openSession(server, "one");
    const [conn] = server.conns;
    const waits: number[] = [];
    conn?.on("waiting", ({ delayMs }) => waits.push(delayMs));
    await dropClient(client, conn);
    await dial(server.url());
    expect(await statusOf(server.url())).toBe(503);
    expect(waits).toEqual([500]);
    await vi.advanceTimersByTimeAsync(500);
    // The slot ends after 287 ms, and 5 s are for the way back.
    expect(waits).toEqual([500, 287 + 5_000 - 500]);
    const again = await rawClient(server.url());
    again.send(resumeControl(client));
    await until(() => expect(again.read()[0]).toEqual({ type: "A", rx: 1 }));
    expect(conn?.state).toBe("open");
  });

  test("is not consumed by upgrades that are invalid", async () => {
    const server = await serving({}, full);
    for (const headers of [{ "Sec-WebSocket-Key": "bad" }, { "Sec-WebSocket-Version": "7" }, { Host: "" }]) {
      const { input } = rawSocket(server.port, upgradeRequest("/ws", headers));
      await until(() => expect(input()).toContain(" 400 "));
    }
    expect(await statusOf(server.url())).toBe(101);
  });

  test("admits a client of ours in its slot", async () => {
    vi.useFakeTimers(CONN_CLOCK);
    const server = await serving({}, { admission: { perSecond: 0.1, burst: 1 } });
    await dial(server.url());
    const conn = new Conn(server.url(), { resume: resume() });
    const { reason, delayMs } = await new Promise<{ reason: string; delayMs: number }>((resolve) => {
      conn.on("waiting", resolve, { once: true });
    });
    expect(reason).toBe("server");
    expect(delayMs).toBeGreaterThanOrEqual(10_000);
    await vi.advanceTimersByTimeAsync(delayMs);
    await conn.ready();
    await conn.close();
  });
});
