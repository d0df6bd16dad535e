import { expect, test } from "vitest";
import { AwaySessions } from "../../../../src/resume/server/away-sessions.ts";
import { IssuedSessions } from "../../../../src/resume/server/issued-sessions.ts";
import type { PendingSocket } from "../../../../src/resume/server/pending-socket.ts";
import { createSessionRecord } from "../../../../src/resume/server/server-handshake.ts";
import type { ServerSession } from "../../../../src/resume/server/server-session.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;
const NO_BOUNDS = { maxSessions: NO_LIMIT, maxBytes: NO_LIMIT, maxSessionsPerPrincipal: NO_LIMIT };

/** Sessions by name; a name with a user before a colon is that of an authenticated client. */
function createAway(bounds: Partial<typeof NO_BOUNDS>) {
  const evicted: string[] = [];
  const left: string[] = [];
  const sessions = new Map<string, ServerSession>();
  const issued = new IssuedSessions();
  const away = new AwaySessions({ ...NO_BOUNDS, ...bounds }, issued, ({ record }) => evicted.push(record.sid));
  const sessionOf = (name: string) => {
    const principal = name.includes(":") ? name.split(":")[0] : undefined;
    const session = sessions.get(name) ?? { record: createSessionRecord({ sid: name, secret: "" }, principal, 1) };
    sessions.set(name, session as ServerSession);
    return session as ServerSession;
  };
  return {
    evicted,
    left,
    issued,
    set: (name: string, bytes = 0) => away.set(sessionOf(name), bytes),
    remove: (name: string) => away.remove(sessionOf(name)),
    has: (name: string) => away.has(sessionOf(name)),
    /** Issues a session whose request has headers of this many bytes. */
    issue(sid: string, bytes = 0): PendingSocket {
      const socket = {
        issued: createSessionRecord({ sid, secret: "" }, undefined, 1),
        request: { rawHeaders: ["x".repeat(bytes)], url: "/" },
        leave: () => left.push(sid),
      };
      issued.add(socket as unknown as PendingSocket);
      away.enforceBounds();
      return socket as unknown as PendingSocket;
    },
  };
}

test("above maxSessions the session that is away longest is evicted", () => {
  const { set, evicted } = createAway({ maxSessions: 2 });
  for (const name of ["a", "b", "c", "d"]) set(name);
  expect(evicted).toEqual(["a", "b"]);
});

test("an anonymous session is evicted before any authenticated one, however short it is away", () => {
  const { set, evicted, has } = createAway({ maxSessions: 2 });
  for (const name of ["ada:1", "x", "eve:1", "y", "z"]) set(name);
  expect(evicted).toEqual(["x", "y", "z"]);
  expect([has("ada:1"), has("eve:1")]).toEqual([true, true]);
  set("eve:2");
  expect(evicted.at(-1)).toBe("ada:1");
});

test("above maxBytes the bytes of every session count, as they change", () => {
  const { set, evicted } = createAway({ maxBytes: 100 });
  set("a", 40);
  set("b", 40);
  expect(evicted).toEqual([]);
  set("b", 70);
  expect(evicted).toEqual(["a"]);
  set("c", 30);
  expect(evicted).toEqual(["a"]);
  set("b", 10);
  set("d", 60);
  expect(evicted).toEqual(["a"]);
  set("d", 61);
  expect(evicted).toEqual(["a", "b"]);
});

test("a session that was removed counts no more", () => {
  const { set, remove, evicted } = createAway({ maxSessions: 1, maxBytes: 10 });
  set("a", 10);
  remove("a");
  remove("a");
  set("b", 10);
  expect(evicted).toEqual([]);
});

test("above maxSessionsPerPrincipal the oldest session of that principal is evicted", () => {
  const { set, evicted } = createAway({ maxSessionsPerPrincipal: 1 });
  for (const name of ["ada:1", "eve:1", "ada:2", "x", "y"]) set(name);
  expect(evicted).toEqual(["ada:1"]);
});

test("a bound of zero evicts each session, and the last one too", () => {
  const { set, evicted } = createAway({ maxSessions: 0 });
  set("a");
  set("ada:1");
  expect(evicted).toEqual(["a", "ada:1"]);
});

test("a thousand issued sessions are free, and those beyond are evicted before any other", () => {
  const { set, issue, evicted, left } = createAway({ maxSessions: 1 });
  set("x");
  for (let i = 0; i < 1_000; i++) issue(`issued${i}`);
  expect([evicted, left]).toEqual([[], []]);
  issue("more");
  issue("and more");
  expect([evicted, left]).toEqual([[], ["issued0", "issued1"]]);
});

test("the request headers that issued sessions hold count in maxBytes, beyond 8 MiB", () => {
  const { set, issue, evicted, left } = createAway({ maxBytes: 100 });
  set("ada:1", 100);
  for (let i = 0; i < 7; i++) issue(`issued${i}`, 2 ** 20);
  expect(left).toEqual([]);
  issue("big", 2 ** 20);
  expect([evicted, left]).toEqual([[], ["issued0"]]);
});

test("an issued session whose socket has ended holds no request, and can still be returned to", () => {
  const { issue, issued, left } = createAway({ maxBytes: 0 });
  for (let i = 0; i < 10; i++) issued.onSocketEnded(issue(`issued${i}`, 2 ** 20));
  expect(left).toEqual([]);
  expect(issued.get("issued0")).toMatchObject({ record: { sid: "issued0" }, socket: undefined });
  issued.delete("issued0");
  issued.clear();
  expect([issued.countedBytes, issued.countedSessions, issued.get("issued0")]).toEqual([0, 0, undefined]);
});
