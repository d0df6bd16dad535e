import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Conn, ConnError } from "../../../src/index.ts";
import { resume } from "../../../src/resume/client/index.ts";
import {
  type Authenticate,
  type HandlerOptions,
  handle,
  handler,
  refuse,
  type ServerConn,
} from "../../../src/server/index.ts";
import { CONN_CLOCK } from "../../support/fake-time.ts";
import { clientFrame, dial, rawSocket, site, statusOf, until, upgradeRequest } from "../../support/ws-server.ts";

afterEach(() => {
  vi.useRealTimers();
});

async function startServer(authenticate: Authenticate | undefined, options: HandlerOptions = {}) {
  const errors: unknown[] = [];
  const conns: ServerConn[] = [];
  const ws = handler((conn) => void conns.push(conn), {
    authenticate,
    onError: (error) => errors.push(error),
    ...options,
  });
  const all = await site((server) => handle(server, "/ws", ws));
  const origin = `http://127.0.0.1:${all.port}`;
  return { ...all, ws, errors, conns, origin };
}

/** A function that waits until it is released, and the signal that it was given. */
function held() {
  const signals: AbortSignal[] = [];
  let release = (_answer: string) => {};
  const authenticate: Authenticate = (_request, { signal }) => {
    signals.push(signal);
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  return { authenticate, signals, release: (answer: string) => release(answer) };
}

const userOf = ({ headers }: IncomingMessage) => String(headers["x-user"] ?? "");

describe("an answer of authenticate", () => {
  test.each<[string, Authenticate]>([
    ["at once", () => "ada"],
    ["later", () => new Promise((resolve) => setImmediate(resolve, "ada"))],
  ])("%s that is a string is conn.principal", async (_when, authenticate) => {
    const { url, conns } = await startServer(authenticate);
    await dial(url());
    await until(() => expect(conns[0]?.principal).toBe("ada"));
  });

  test("that is an empty string lets an anonymous client in", async () => {
    const { url, conns } = await startServer(async () => "");
    await dial(url());
    await until(() => expect(conns).toHaveLength(1));
    expect(conns[0]?.principal).toBeUndefined();
  });

  test.each([undefined, null, false] as const)("that is %s refuses with 401", async (answer) => {
    const { url, conns, errors } = await startServer(async () => answer);
    expect(await statusOf(url())).toBe(401);
    expect([conns, errors]).toEqual([[], []]);
  });

  test("that is a refusal is a status for a program, with the headers given", async () => {
    const authenticate = async () => refuse(429, { headers: { "Retry-After": "7" } });
    const { port } = await startServer(authenticate);
    const { input } = rawSocket(port, upgradeRequest("/ws"));
    await until(() => expect(input()).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n.*\r\nRetry-After: 7\r\n/s));
  });

  test.each([
    [refuse(), 4401, ""],
    [refuse(403, { reason: "banned" }), 4403, "banned"],
    [refuse(503), 1013, ""],
    [refuse(401, { code: 4999 }), 4999, ""],
  ])("that is a refusal is a close code for a page: %#", async (refusal, code, reason) => {
    const { url, origin, conns } = await startServer(async () => refusal);
    const { closed, received } = await dial(url(), { origin });
    expect(await closed).toEqual({ code, reason });
    expect([received, conns]).toEqual([[], []]);
  });

  test("that is a refusal closes a page before its session is greeted", async () => {
    const { url, origin } = await startServer(async () => refuse(), { resume: {} });
    const { closed, received } = await dial(url(), { origin, protocols: ["resume.v1"] });
    expect(await closed).toEqual({ code: 4401, reason: "" });
    expect(received).toEqual([]);
  });

  test.each([{ id: "ada" }, 7, true])("of another type refuses with 500 and is reported: %j", async (answer) => {
    const { url, errors } = await startServer(async () => answer as never);
    expect(await statusOf(url())).toBe(500);
    expect(errors).toMatchObject([{ code: "misuse", message: expect.stringContaining(typeof answer) }]);
  });
});

describe("authenticate", () => {
  test.each<[string, Authenticate]>([
    [
      "throws",
      () => {
        throw new Error("no database");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no database"))],
  ])("that %s refuses with 500, closes a page with 1011, and is reported", async (_how, authenticate) => {
    const { url, origin, errors } = await startServer(authenticate);
    expect(await statusOf(url())).toBe(500);
    expect(await (await dial(url(), { origin })).closed).toMatchObject({ code: 1011 });
    expect(errors).toEqual([new Error("no database"), new Error("no database")]);
  });

  test("that hangs refuses with 503 after authenticateTimeoutMs, and its signal is aborted", async () => {
    const { authenticate, signals } = held();
    const { url, errors } = await startServer(authenticate, { authenticateTimeoutMs: 10_000 });
    vi.useFakeTimers(CONN_CLOCK);
    const status = statusOf(url());
    await until(() => expect(signals).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(signals[0]?.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await status).toBe(503);
    expect(signals[0]?.reason).toMatchObject({ code: "timeout" });
    expect(errors).toMatchObject([{ code: "timeout", message: expect.stringContaining("10000 ms") }]);
  });

  test.each<[string, (socket: ReturnType<typeof rawSocket>["socket"]) => void]>([
    ["resets", (socket) => socket.resetAndDestroy()],
    ["ends", (socket) => socket.end()],
  ])("is aborted when the client %s the connection, which is no error", async (_how, leave) => {
    const { authenticate, signals } = held();
    const { port, url, errors, conns } = await startServer(authenticate);
    const { socket } = rawSocket(port, upgradeRequest("/ws"));
    await until(() => expect(signals).toHaveLength(1));
    expect(signals[0]?.aborted).toBe(false);
    leave(socket);
    await until(() => expect(signals[0]?.aborted).toBe(true));
    expect(signals[0]?.reason).toBeInstanceOf(ConnError);
    expect([errors, conns]).toEqual([[], []]);
    expect(await statusOf(url("/other"))).toBe(404);
  });

  test("loses no message that comes while it waits", async () => {
    const { authenticate, release, signals } = held();
    const received: unknown[] = [];
    const ws = handler((conn) => void conn.on("message", (message) => received.push(message)), { authenticate });
    let bytesRead = () => 0;
    const { port } = await site((server) => {
      handle(server, "/ws", ws);
      server.on("upgrade", ({ socket }) => {
        bytesRead = () => socket.bytesRead;
      });
    });
    const head = Buffer.concat([Buffer.from(upgradeRequest("/ws")), clientFrame("head")]);
    const { socket } = rawSocket(port, head);
    await until(() => expect(signals).toHaveLength(1));
    const early = clientFrame("early");
    socket.write(early);
    await until(() => expect(bytesRead()).toBe(head.length + early.length));
    release("ada");
    await until(() => expect(received).toEqual(["head", "early"]));
    socket.write(clientFrame("late"));
    await until(() => expect(received).toEqual(["head", "early", "late"]));
  });

  test("that waits during a shutdown is aborted, and its client refused with 503", async () => {
    const { authenticate, signals } = held();
    const { url, ws, errors } = await startServer(authenticate);
    const status = statusOf(url());
    await until(() => expect(signals).toHaveLength(1));
    await ws.shutdown();
    expect(await status).toBe(503);
    expect(signals[0]?.aborted).toBe(true);
    expect(errors).toEqual([]);
  });

  test("is not called for an upgrade that is invalid, or from a foreign origin", async () => {
    const authenticate = vi.fn(() => "ada");
    const { url, port } = await startServer(authenticate);
    const { input } = rawSocket(port, upgradeRequest("/ws", { "Sec-WebSocket-Key": undefined }));
    await until(() => expect(input()).toContain(" 400 "));
    expect(await statusOf(url(), { origin: "http://example.com" })).toBe(403);
    expect(authenticate).not.toHaveBeenCalled();
  });

  test("ties a session to its principal", async () => {
    const { url, conns } = await startServer(async (request) => userOf(request), { resume: {} });
    let user = "ada";
    const conn = new Conn(url(), { resume: resume(), backoff: () => 0, headers: () => ({ "x-user": user }) });
    await conn.ready();
    const opens: boolean[] = [];
    conn.on("open", ({ resumed }) => opens.push(resumed));
    const drop = async (count: number) => {
      await until(() => expect(conns.at(-1)?.state).toBe("open"));
      conns.at(-1)?.request.socket.destroy();
      await until(() => expect(opens).toHaveLength(count));
    };
    await drop(1);
    user = "eve";
    await drop(2);
    expect(opens).toEqual([true, false]);
    await until(() => expect(conns.map(({ principal }) => principal)).toEqual(["ada", "eve"]));
    await conn.close();
  });
});

describe("resume.principal", () => {
  test("is conn.principal", async () => {
    const { url, conns } = await startServer(undefined, { resume: { principal: userOf } });
    await dial(url(), { headers: { "x-user": "ada" } });
    await until(() => expect(conns[0]?.principal).toBe("ada"));
  });

  test("that returns a promise is an error at once, also where the promise rejects", async () => {
    const principal = (() => Promise.reject(new Error("late"))) as never;
    const { url, errors } = await startServer(undefined, { resume: { principal } });
    expect(await statusOf(url())).toBe(500);
    expect(errors).toMatchObject([{ code: "misuse", message: expect.stringContaining("authenticate") }]);
  });

  test("beside authenticate throws bad-option", () => {
    const options = { authenticate: () => "ada", resume: { principal: () => "eve" } };
    expect(() => handler(() => {}, options)).toThrow(expect.objectContaining({ code: "bad-option" }));
  });
});

test.each<[string, () => unknown]>([
  ["status", () => refuse(200)],
  ["code", () => refuse(401, { code: 1006 })],
  ["reason", () => refuse(401, { reason: "x".repeat(124) })],
  ["headers.X", () => refuse(401, { headers: { X: "a\r\nSet-Cookie: b" } })],
])("refuse() throws bad-option for a %s that can't be sent", (name, act) => {
  const message = expect.stringContaining(name);
  expect(act).toThrow(expect.objectContaining({ code: "bad-option", message }));
});
