import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { deferred } from "../../../src/base/deferred.ts";
import { Conn, type ConnOptions, type Payload } from "../../../src/index.ts";
import { resume } from "../../../src/resume/client/index.ts";
import { decode } from "../../../src/resume/protocol/control.ts";
import { withResume } from "../../../src/resume/protocol/subprotocol.ts";
import type { ServerConn } from "../../../src/server/index.ts";
import { record } from "../../support/conn.ts";
import { site, until } from "../../support/ws-server.ts";
import { acceptControl, dropClient, openSession, rawClient, serving } from "./serving.ts";

const numbered = (name: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => `${name}${from + n}`);
const [RESUME] = withResume([]) as [string];
const echo = (conn: ServerConn) => void conn.on("message", (message) => conn.send(message));

/** A client of ours that comes back as soon as it may. */
function client(url: ConstructorParameters<typeof Conn>[0], options: ConnOptions = {}): Conn {
  const conn = new Conn(url, { backoff: () => 0, resume: resume(), ...options });
  onTestFinished(() => void conn.close(1000, "", { signal: AbortSignal.abort() }));
  return conn;
}

/** Cuts the connections of these Conns without a word. */
function cut(conns: Iterable<ServerConn>): void {
  for (const { request } of conns) request.socket.destroy();
}

describe("two Conns with the key to one session, as a process and its copy have it", () => {
  /**
   * Both are greeted alike, elsewhere, and are there until they are let go. The second one's returns count one more if it
   * `returnedOnce`, to nowhere.
   */
  async function twins({ returnedOnce = false } = {}) {
    const server = await serving();
    const issuer = await rawClient(server.url());
    const greeting = String(issuer.received[0]);
    const leave = new Map<string, () => void>();
    const elsewhere = await site((http) => {
      new WebSocketServer({ server: http, handleProtocols: () => RESUME }).on("connection", (socket, { url = "" }) => {
        socket.send(greeting);
        socket.on("message", (said) => {
          if (decode(String(said))?.type === "R") socket.terminate();
        });
        leave.set(url, () => socket.terminate());
      });
    });
    const upgrades: unknown[] = [];
    server.server.on("upgrade", ({ url }) => upgrades.push(url));
    const twin = async (path: string, times: number) => {
      let dials = 0;
      const conn = client(() => (dials++ < times ? elsewhere.url(path) : server.url()));
      await conn.ready();
      const release = () => {
        const open = new Promise((resolve) => conn.on("open", resolve, { once: true }));
        leave.get(path)?.();
        return open;
      };
      return { conn, release };
    };
    return { server, upgrades, first: await twin("/first", 1), second: await twin("/second", returnedOnce ? 2 : 1) };
  }

  test("that come at once: one continues and loses nothing, the other ends for good with 4409", async () => {
    const { server, upgrades, first, second } = await twins();
    for (const text of numbered("a", 10)) first.conn.send(text);
    for (const text of numbered("b", 10)) second.conn.send(text);
    first.release();
    second.release();
    const { code, by, inDoubt, unsent } = await Promise.race([first.conn.closed, second.conn.closed]);
    const isFirst = first.conn.state === "closed";
    const { conn } = isFirst ? second : first;
    expect({ code, by }).toEqual({ code: 4409, by: "policy" });
    // None of it arrived, and whoever is turned away can't know.
    expect([...inDoubt, ...unsent]).toEqual(numbered(isFirst ? "a" : "b", 10));
    const name = isFirst ? "b" : "a";
    for (const text of numbered(name, 10, 10)) conn.send(text);
    await conn.flush();
    expect(server.received).toEqual(numbered(name, 20));
    expect(conn.state).toBe("open");
    expect(server.conns).toHaveLength(1);
    expect(upgrades).toHaveLength(2);
  });

  test("that come one after the other: the late one ends, and the one in use does not notice", async () => {
    const { server, upgrades, first, second } = await twins();
    await first.release();
    const losses = record(first.conn, "disconnected");
    first.conn.send("a0");
    await first.conn.flush();
    second.conn.send("b0");
    second.release();
    expect(await second.conn.closed).toMatchObject({ code: 4409, by: "policy", inDoubt: ["b0"] });
    for (const text of numbered("a", 10, 1)) first.conn.send(text);
    await first.conn.flush();
    expect(server.received).toEqual(numbered("a", 11));
    expect(losses).toEqual([]);
    expect(upgrades).toHaveLength(2);
  });

  test("of which the late one returned more often: the late one has the session, the other ends for good", async () => {
    const { server, upgrades, first, second } = await twins({ returnedOnce: true });
    await first.release();
    await until(() => expect(server.conns).toHaveLength(1));
    await second.release();
    expect(await first.conn.closed).toMatchObject({ code: 4409, by: "policy", unsent: [], inDoubt: [] });
    for (const text of numbered("b", 10)) second.conn.send(text);
    await second.conn.flush();
    expect(server.received).toEqual(numbered("b", 10));
    expect(server.conns).toHaveLength(1);
    expect(upgrades).toHaveLength(2);
  });

  test("of which one does not know what the other did: both end, and neither counts the messages of the other", async () => {
    const { server, upgrades, first, second } = await twins({ returnedOnce: true });
    await first.release();
    for (const text of numbered("a", 5)) first.conn.send(text);
    await first.conn.flush();
    second.conn.send("b0");
    second.release();
    expect(await first.conn.closed).toMatchObject({ code: 4409, by: "policy", unsent: [], inDoubt: [] });
    expect(await second.conn.closed).toMatchObject({ code: 4400, by: "policy", inDoubt: ["b0"] });
    expect(await server.conns[0]?.closed).toMatchObject({ code: 4400, by: "policy" });
    expect(server.received).toEqual(numbered("a", 5));
    expect(upgrades).toHaveLength(2);
  });
});

test("a crowd that is cut off comes back by its slots, each to its session, and loses and doubles nothing", async () => {
  const crowd = 8;
  const cuts = 2;
  const server = await serving({}, { admission: { perSecond: 10, burst: 1 } }, echo);
  let upgrades = 0;
  server.server.on("upgrade", () => upgrades++);
  const members = numbered("", crowd).map((name) => {
    const conn = client(server.url());
    const echoes: Payload[] = [];
    conn.on("message", (message) => echoes.push(message));
    return { name, conn, echoes, opens: record(conn, "open"), waits: record(conn, "waiting") };
  });
  const putOff = () => members.filter(({ waits }) => waits.some(({ reason }) => reason === "server")).length;
  let sent = 0;
  const talk = (count: number) => {
    for (const { name, conn } of members) for (const text of numbered(`${name}: `, count, sent)) conn.send(text);
    sent += count;
  };
  for (let n = 0; n <= cuts; n++) {
    talk(20);
    await until(() => expect(members.map(({ opens }) => opens.length)).toEqual(members.map(() => n + 1)));
    // All but one, less what is earned while a busy machine lets them dial.
    expect(putOff()).toBeGreaterThanOrEqual(2);
    for (const { waits } of members) waits.length = 0;
    if (n === cuts) break;
    // Clients are open before the server has received of it.
    await until(() => expect(server.conns.map(({ state }) => state)).toEqual(members.map(() => "open")));
    talk(20);
    cut(server.conns);
  }
  await Promise.all(members.map(({ conn }) => conn.flush()));
  for (const { name, opens, echoes } of members) {
    await until(() => expect(echoes).toEqual(numbered(`${name}: `, sent)));
    expect(opens.map(({ resumed }) => resumed)).toEqual([false, true, true]);
  }
  for (const { name } of members) {
    const own = server.received.filter((text) => String(text).startsWith(`${name}: `));
    expect(own).toEqual(numbered(`${name}: `, sent));
  }
  expect(server.conns).toHaveLength(crowd);
  // Put off once, admitted on the first return; a machine that stands still may cost another.
  expect(upgrades).toBeLessThanOrEqual(3 * crowd * (cuts + 1));
});

describe("a client that leaves session after session behind", () => {
  /** Is somewhere else, and comes back when `comeBack()` is called. */
  function wanderer(url: string, options: ConnOptions = {}) {
    let way = Promise.resolve();
    const conn = client(() => way.then(() => url), options);
    return {
      conn,
      /** Leaves; answers how to come back. */
      async leave(here: ServerConn | undefined): Promise<() => void> {
        const { promise, resolve } = deferred<void>();
        way = promise;
        cut(here ? [here] : []);
        await until(() => expect(here?.state).toBe("waiting"));
        // Otherwise a message that is sent now would be on its way on the socket that was cut, and in doubt.
        await until(() => expect(conn.state).not.toBe("open"));
        return resolve;
      },
    };
  }

  test("takes no more room than there is, and pushes out the longest away but no present client", async () => {
    const bounds = { maxSessions: 6, maxBytes: 50_000 };
    const server = await serving(bounds, {}, echo);
    const away = () => server.conns.filter(({ state }) => state === "waiting");
    const idle = wanderer(server.url());
    await idle.conn.send("idle0", { confirm: true });
    const comeBack = await idle.leave(server.conns[0]);
    idle.conn.send("idle1");
    const busy = [client(server.url()), client(server.url())];
    const lost = busy.map((conn) => record(conn, "disconnected"));
    await until(() => expect(server.conns).toHaveLength(1 + busy.length));
    for (let n = 0; n < 24; n++) {
      // The echo is kept for it. First there are too many of them, then too much is kept.
      const thief = await openSession(server, "x".repeat(n < 12 ? 10 : 20_000));
      await dropClient(thief, server.conns.at(-1));
      const kept = away().map(({ stats }) => stats.unacknowledged.bytes + stats.outbox.bytes);
      expect(kept.length).toBeLessThanOrEqual(bounds.maxSessions);
      expect(kept.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(bounds.maxBytes);
      for (const conn of busy) {
        conn.send(`busy${n}`);
        expect(await conn.receive()).toBe(`busy${n}`);
      }
    }
    expect(lost).toEqual([[], []]);
    expect(server.conns[0]).toMatchObject({ state: "closed" });
    const losses = record(idle.conn, "session-lost");
    const open = new Promise((resolve) => idle.conn.on("open", resolve, { once: true }));
    comeBack();
    expect(await open).toMatchObject({ resumed: false, reconnected: true });
    await idle.conn.flush();
    expect(losses).toEqual([{ delivered: [], undelivered: [], inDoubt: [] }]);
    expect(server.received.filter((text) => String(text).startsWith("idle"))).toEqual(["idle0", "idle1"]);
  });

  test("pushes out no other client where each principal has a share", async () => {
    const principal = ({ headers }: { readonly headers: object }) => (headers as { "x-user"?: string })["x-user"];
    const server = await serving({ maxSessions: 8, maxSessionsPerPrincipal: 3, principal }, {}, echo);
    const ada = wanderer(server.url(), { headers: { "x-user": "ada" } });
    await ada.conn.send("ada0", { confirm: true });
    expect(await ada.conn.receive()).toBe("ada0");
    const comeBack = await ada.leave(server.conns[0]);
    server.conns[0]?.send("kept for ada");
    for (let n = 1; n <= 20; n++) {
      const eve = await rawClient(server.url(), { "x-user": "eve" });
      eve.send(acceptControl, `eve${n}`);
      await until(() => expect(server.received).toHaveLength(n + 1));
      await dropClient(eve, server.conns.at(-1));
      expect(server.conns.slice(1).filter(({ state }) => state === "waiting").length).toBeLessThanOrEqual(3);
    }
    const open = new Promise((resolve) => ada.conn.on("open", resolve, { once: true }));
    comeBack();
    expect(await open).toMatchObject({ resumed: true });
    expect(await ada.conn.receive()).toBe("kept for ada");
    ada.conn.send("ada1");
    expect(await ada.conn.receive()).toBe("ada1");
  });
});
