import type { IncomingMessage } from "node:http";
import { inspect } from "node:util";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { Conn, ConnError, json, type Payload } from "../../../src/index.ts";
import { resume } from "../../../src/resume/client/index.ts";
import { type Handler, type HandlerOptions, handle, handler, type ServerConn } from "../../../src/server/index.ts";
import { CONN_CLOCK } from "../../support/fake-time.ts";
import {
  clientFrame,
  dial,
  rawSocket,
  type Site,
  settled,
  site,
  statusOf,
  until,
  upgradeRequest,
} from "../../support/ws-server.ts";

type Serve = (conn: ServerConn, request: IncomingMessage) => unknown;

interface Serving extends Site {
  readonly ws: Handler;
  /** The errors that the handler's function threw. */
  readonly errors: unknown[];
  /** The one Conn that is there, or will be. */
  conn(): Promise<ServerConn>;
}

async function serving(serve: Serve = () => {}, options: HandlerOptions = {}): Promise<Serving> {
  const errors: unknown[] = [];
  const ws = handler(serve, { onError: (error) => errors.push(error), ...options });
  const all = await site((server) => handle(server, "/ws", ws));
  const conn = () =>
    until(() => {
      const [first] = ws.conns;
      if (first?.state !== "open") throw new Error("No Conn is open.");
      return first;
    });
  return { ...all, ws, errors, conn };
}

const echo: Serve = async (conn) => {
  for await (const message of conn) conn.send(message);
};

afterEach(() => {
  vi.useRealTimers();
});

/** Never settles. */
const forever = () => new Promise<never>(() => {});

describe("the connection", () => {
  test("brings the upgrade request with it", async () => {
    const requests: unknown[] = [];
    const { url, conn } = await serving((_conn, request) => void requests.push(request));
    await dial(url("/ws?room=1"), { headers: { "x-name": "value" } });
    const it = await conn();
    expect(it.request).toMatchObject({ url: "/ws?room=1", headers: { "x-name": "value" } });
    expect(requests).toEqual([it.request]);
    expect(it.url).toBe(url("/ws?room=1"));
  });

  test("speaks with a Conn on the other side, in its codec", async () => {
    const { url } = await serving(
      async (conn) => {
        for await (const value of conn) conn.send({ got: value } as never);
      },
      { codec: json() as never },
    );
    const conn = new Conn<unknown>(url(), { codec: json() });
    conn.send([1, { two: null }]);
    expect(await conn.receive()).toEqual({ got: [1, { two: null }] });
    expect(await conn.close()).toMatchObject({ code: 1000, by: "local", clean: true });
  });

  test("loses no message that comes in one segment with the upgrade request", async () => {
    const heard: Payload[] = [];
    const { port } = await serving(async (conn) => {
      for await (const message of conn) {
        heard.push(message);
        conn.send(`got ${String(message)}`);
      }
    });
    const first = Buffer.concat([Buffer.from(upgradeRequest("/ws")), clientFrame("one"), clientFrame("two")]);
    const { input, socket } = rawSocket(port, first);
    await until(() => expect(input()).toContain("got two"));
    socket.write(clientFrame("three"));
    await until(() => expect(heard).toEqual(["one", "two", "three"]));
  });

  test("loses no message that comes before the function reads", async () => {
    const { port, conn } = await serving();
    rawSocket(port, Buffer.concat([Buffer.from(upgradeRequest("/ws")), clientFrame("early")]));
    const it = await conn();
    await until(() => expect(it.stats.inbox.messages).toBe(1));
    expect(await it.receive()).toBe("early");
  });

  test("selects the first of its own protocols that the client offers", async () => {
    const { url } = await serving(() => {}, { protocols: ["best", "good"] });
    const selected = async (...protocols: string[]) => (await dial(url(), { protocols })).socket.protocol;
    expect(await selected("good", "best")).toBe("best");
    expect(await selected("unknown", "good")).toBe("good");
    expect(await selected()).toBe("");
  });

  test("never selects a protocol that it does not know", async () => {
    const answer = async (options: HandlerOptions) => {
      const { port } = await serving(() => {}, options);
      const { input } = rawSocket(port, upgradeRequest("/ws", { "Sec-WebSocket-Protocol": "unknown, other" }));
      await until(() => expect(input()).toContain("\r\n\r\n"));
      return input();
    };
    for (const options of [{}, { protocols: ["known"] }]) {
      const text = await answer(options);
      expect(text).toContain("101 Switching Protocols");
      expect(text.toLowerCase()).not.toContain("sec-websocket-protocol");
    }
  });

  test("compresses only when asked to", async () => {
    const plain = await serving();
    const packed = await serving(echo, { serverOptions: { perMessageDeflate: true } });
    const options = { perMessageDeflate: true };
    expect((await dial(plain.url(), options)).socket.extensions).toBe("");
    const { socket, received } = await dial(packed.url(), options);
    expect(socket.extensions).toContain("permessage-deflate");
    socket.send("x".repeat(100_000));
    await until(() => expect(received).toEqual(["x".repeat(100_000)]));
  });

  test("ends with 1009 for a message longer than maxPayloadBytes, and takes one of exactly that length", async () => {
    const lengths: number[] = [];
    const { url, errors } = await serving(
      async (conn) => {
        for await (const message of conn) lengths.push(message.length);
      },
      { maxPayloadBytes: 1_000 },
    );
    const { socket, closed } = await dial(url());
    socket.send(new Uint8Array(1_000));
    socket.send(new Uint8Array(1_001));
    expect(await closed).toMatchObject({ code: 1009 });
    expect(lengths).toEqual([1_000]);
    expect(errors).toEqual([]);
  });

  test("notices a dead client within intervalMs + timeoutMs, and abandons it", async () => {
    vi.useFakeTimers(CONN_CLOCK);
    const { url, conn, ws, errors } = await serving(echo, { heartbeat: { intervalMs: 100, timeoutMs: 200 } });
    await dial(url(), { autoPong: false });
    const it = await conn();
    await vi.advanceTimersByTimeAsync(300);
    expect(it.state).toBe("closed");
    expect(await it.closed).toMatchObject({ code: 1006, clean: false });
    expect(ws.conns.size).toBe(0);
    expect(errors).toEqual([]);
  });

  test("keeps a quiet client that answers pings", async () => {
    vi.useFakeTimers(CONN_CLOCK);
    const { url, conn } = await serving(echo, { heartbeat: { intervalMs: 10_000, timeoutMs: 200 } });
    await dial(url());
    const it = await conn();
    for (let pings = 0; pings < 4; pings++) {
      const pong = new Promise((resolve) => it.on("latency", resolve, { once: true }));
      await vi.advanceTimersByTimeAsync(10_000);
      await pong;
    }
    await vi.advanceTimersByTimeAsync(200);
    expect(it.state).toBe("open");
  });
});

test("a server's Conn can't be made to dial", async () => {
  const { url, conn } = await serving(forever);
  await dial(url());
  const it = await conn();
  expect(() => it.reconnect()).toThrow(expect.objectContaining({ code: "misuse" }));
  expect(it.state).toBe("open");
});

describe("the function", () => {
  test("ends the Conn with 1000 when its promise resolves, after all that it sent", async () => {
    const { url, errors } = await serving(async (conn) => {
      for (let i = 0; i < 100; i++) conn.send(`${i}`);
    });
    const { received, closed } = await dial(url());
    expect(await closed).toEqual({ code: 1000, reason: "handler returned" });
    expect(received).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
    expect(errors).toEqual([]);
  });

  test.each([
    ["rejects", async (error: Error) => Promise.reject(error)],
    [
      "throws",
      (error: Error) => {
        throw error;
      },
    ],
  ])("ends the Conn with 1011 when it %s, and onError gets the error and the Conn", async (_name, fail) => {
    const error = new Error("broken");
    const onError = vi.fn();
    const { url, conn } = await serving(
      async (conn) => {
        await conn.receive();
        return fail(error);
      },
      { onError },
    );
    const { socket, closed } = await dial(url());
    const it = await conn();
    socket.send("go");
    expect(await closed).toEqual({ code: 1011, reason: "" });
    expect(onError.mock.calls).toEqual([[error, it]]);
  });

  test("ends the Conn with 1011 when it throws before it returns a promise", async () => {
    const error = new Error("broken");
    const { url, errors } = await serving(() => {
      throw error;
    });
    const { closed } = await dial(url());
    expect(await closed).toMatchObject({ code: 1011 });
    expect(errors).toEqual([error]);
  });

  test("reports to the console without onError", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const broken = new Error("broken");
    const { url } = await site((server) =>
      handle(
        server,
        "/ws",
        handler(() => Promise.reject(broken)),
      ),
    );
    await (await dial(url())).closed;
    expect(error.mock.calls).toEqual([[broken]]);
  });

  test("that returns no promise leaves the end to the peer", async () => {
    const { url, conn, errors } = await serving((conn) => {
      conn.on("message", (message) => conn.send(message));
    });
    const { socket, received } = await dial(url());
    const it = await conn();
    socket.send("one");
    await until(() => expect(received).toEqual(["one"]));
    expect(it.state).toBe("open");
    socket.close(4001, "bye");
    expect(await it.closed).toMatchObject({ code: 4001, reason: "bye", clean: true, by: "peer" });
    expect(errors).toEqual([]);
  });

  test.each([
    ["closes", (client: { close(code: number): void }) => client.close(1000)],
    ["goes away, as browsers do when a page is left", (client: { close(code: number): void }) => client.close(1001)],
    ["closes with a code of its own", (client: { close(code: number): void }) => client.close(4444)],
  ])("gets to the end of its loop when the client %s", async (_name, leave) => {
    const story: string[] = [];
    const { url, ws, errors } = await serving(async (conn) => {
      for await (const message of conn) story.push(String(message));
      story.push("end");
    });
    const { socket } = await dial(url());
    socket.send("one");
    leave(socket);
    await until(() => expect(story).toEqual(["one", "end"]));
    await until(() => expect(ws.conns.size).toBe(0));
    expect(errors).toEqual([]);
  });

  test("gets out of its loop when the client is dropped, and that is no error of its own", async () => {
    const story: string[] = [];
    const { url, ws, errors } = await serving(async (conn) => {
      try {
        for await (const message of conn) story.push(String(message));
      } finally {
        story.push("end");
      }
    });
    const { socket, received } = await dial(url());
    socket.send("one");
    await until(() => expect(story).toEqual(["one"]));
    socket.terminate();
    await until(() => expect(story).toEqual(["one", "end"]));
    await until(() => expect(ws.conns.size).toBe(0));
    expect([received, errors]).toEqual([[], []]);
  });

  test("that sends to a client that has left is not at fault", async () => {
    const { url, ws, errors } = await serving(async (conn) => {
      await conn.receive().catch(() => {});
      await conn.send("too late");
    });
    const { socket } = await dial(url());
    socket.terminate();
    await until(() => expect(ws.conns.size).toBe(0));
    expect(errors).toEqual([]);
  });

  test("is at fault when it fails for the end of another Conn", async () => {
    const error = new ConnError("closed", "of another Conn");
    const { url, errors } = await serving(async () => {
      throw error;
    });
    const { closed } = await dial(url());
    expect(await closed).toMatchObject({ code: 1011 });
    expect(errors).toEqual([error]);
  });

  test("may give its bytes to send() and use them again at once", async () => {
    const { url } = await serving(async (conn) => {
      const small = Uint8Array.of(1, 2, 3);
      const large = new Uint8Array(2 ** 20).fill(1);
      for (const bytes of [small, large]) conn.send(bytes);
      for (const bytes of [small, large]) bytes.fill(9);
      await conn.flush();
    });
    const { received, closed } = await dial(url());
    await closed;
    const [small, large] = received as Buffer[];
    expect([...(small ?? [])]).toEqual([1, 2, 3]);
    expect(large?.equals(Buffer.alloc(2 ** 20, 1))).toBe(true);
  });

  test("may give its bytes to send() and use them again at once, compressed too", async () => {
    const { url } = await serving(
      async (conn) => {
        const bytes = new Uint8Array(2 ** 16).fill(1);
        conn.send(bytes);
        bytes.fill(9);
        await conn.flush();
      },
      { serverOptions: { perMessageDeflate: true } },
    );
    const { received, closed } = await dial(url(), { perMessageDeflate: true });
    await closed;
    expect((received[0] as Buffer).equals(Buffer.alloc(2 ** 16, 1))).toBe(true);
  });

  test("holds back a client that floods, when it does not read", async () => {
    const chunk = new Uint8Array(64 * 1024);
    const count = 512;
    let read = (): void => {};
    const { url, conn } = await serving(async (conn) => {
      await new Promise<void>((resolve) => {
        read = resolve;
      });
      for (let i = 0; i < count; i++) {
        const [first] = (await conn.receive()) as Uint8Array;
        if (first !== i % 256) throw new Error(`Message ${i} came as ${first}.`);
      }
    });
    const { socket, closed } = await dial(url());
    const { request, stats } = await conn();
    for (let i = 0; i < count; i++) socket.send(chunk.fill(i), { binary: true });
    await until(() => expect(request.socket.isPaused()).toBe(true));
    const most = await settled(() => request.socket.bytesRead);
    expect(most).toBeGreaterThan(stats.inbox.bytes);
    // The high-water mark of 1 MiB, and what was on its way through the process.
    expect(most).toBeLessThan(2 * 2 ** 20);
    expect(socket.bufferedAmount).toBeGreaterThan(8 * 2 ** 20);
    read();
    expect(await closed).toMatchObject({ code: 1000 });
    expect(request.socket.bytesRead).toBeGreaterThan(count * chunk.length);
  });
});

describe("conns", () => {
  test("has each Conn for as long as it lives", async () => {
    const { url, ws } = await serving();
    const clients = await Promise.all([dial(url()), dial(url()), dial(url())]);
    await until(() => expect(ws.conns.size).toBe(3));
    clients[0]?.socket.close();
    await until(() => expect(ws.conns.size).toBe(2));
    clients[1]?.socket.terminate();
    await until(() => expect(ws.conns.size).toBe(1));
    for (const conn of ws.conns) conn.close();
    await until(() => expect(ws.conns.size).toBe(0));
    expect(await clients[2]?.closed).toMatchObject({ code: 1000 });
  });
});

describe("a Conn that is closing", () => {
  /** Clients that never answer a close frame, so that their Conns stay closing. */
  async function silentClients(count: number, serve: Serve = () => {}) {
    const all = await serving(serve, { closeTimeoutMs: 1_000 });
    const clients = Array.from({ length: count }, () => rawSocket(all.port, upgradeRequest("/ws")));
    await until(() => expect(all.ws.conns.size).toBe(count));
    await until(() => expect([...all.ws.conns].map(({ state }) => state)).toEqual(Array(count).fill("open")));
    return { ...all, clients };
  }

  test("is not in conns, so that a loop over them reaches the others", async () => {
    const { ws, clients } = await silentClients(3);
    const [first] = ws.conns;
    first?.close();
    expect(first?.state).toBe("closing");
    expect(ws.conns.size).toBe(2);
    for (const conn of ws.conns) conn.send("news");
    await until(() => expect(clients.map(({ input }) => input().includes("news"))).toEqual([false, true, true]));
  });

  test("is not in conns when its client has left, and closed is emitted", async () => {
    const sizes: number[] = [];
    const { ws, clients, errors } = await silentClients(2, (conn) => {
      conn.on("closed", () => {
        sizes.push(ws.conns.size);
        for (const other of ws.conns) other.send("somebody left");
      });
    });
    clients[0]?.socket.resetAndDestroy();
    await until(() => expect(sizes).toEqual([1]));
    await until(() => expect(clients[1]?.input()).toContain("somebody left"));
    expect(errors).toEqual([]);
  });

  test("refuses send() and write() with a quiet rejection", async () => {
    const { ws } = await silentClients(1);
    const [conn] = [...ws.conns] as [ServerConn];
    vi.useFakeTimers(CONN_CLOCK);
    conn.close(4001, "kicked");
    await expect(conn.send("late")).rejects.toMatchObject({ code: "closed", payload: "late" });
    conn.write("ignored");
    await vi.advanceTimersByTimeAsync(1_000);
    await conn.closed;
    await expect(conn.write("later")).rejects.toMatchObject({ code: "closed" });
  });

  test("is still waited for by shutdown", async () => {
    const { ws } = await silentClients(1);
    const [conn] = [...ws.conns] as [ServerConn];
    vi.useFakeTimers(CONN_CLOCK);
    conn.close();
    const shutdown = ws.shutdown({ timeoutMs: 50 });
    await vi.advanceTimersByTimeAsync(49);
    expect(conn.state).toBe("closing");
    await vi.advanceTimersByTimeAsync(1);
    await shutdown;
    expect(conn.state).toBe("closed");
  });
});

describe("a listener that throws on a server", () => {
  test("ends its Conn with 1011, goes to onError with the Conn, and harms no other", async () => {
    const onError = vi.fn();
    const { url, ws } = await serving(
      (conn) => void conn.on("message", (message) => conn.send((message as never as { x: { y: string } }).x.y)),
      { onError },
    );
    const [bad, good] = [await dial(url()), await dial(url())];
    await until(() => expect(ws.conns.size).toBe(2));
    const [first] = ws.conns;
    bad.socket.send("null");
    expect(await bad.closed).toEqual({ code: 1011, reason: "" });
    expect(onError.mock.calls).toEqual([[expect.any(TypeError), first]]);
    expect(good.socket.readyState).toBe(1);
    expect(ws.conns.size).toBe(1);
  });

  test.each(["disconnected", "closed", "state"] as const)("of %s does not end the process", async (event) => {
    const { url, ws, errors } = await serving((conn) => {
      conn.on(event, () => {
        throw new Error(event);
      });
    });
    const { socket } = await dial(url());
    await until(() => expect(ws.conns.size).toBe(1));
    socket.terminate();
    await until(() => expect(ws.conns.size).toBe(0));
    expect(await statusOf(url())).toBe(101);
    expect(errors).toEqual([new Error(event)]);
  });

  test("of open, which a session that is resumed emits, ends its Conn with 1011, and not the process", async () => {
    const broken = new Error("broken");
    const { url, conn, errors } = await serving(
      (conn) => {
        conn.on("open", () => {
          throw broken;
        });
      },
      { resume: {} },
    );
    const client = new Conn(url(), { resume: resume(), backoff: () => 0 });
    const served = await conn();
    served.request.socket.destroy();
    expect(await served.closed).toMatchObject({ code: 1011 });
    expect(errors).toEqual([broken]);
    await client.close();
    expect(await statusOf(url())).toBe(101);
  });
});

describe("onError", () => {
  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("in onError");
      },
    ],
    ["rejects", () => Promise.reject(new Error("in onError"))],
    [
      "throws something that has no text",
      () => {
        throw Object.create(null);
      },
    ],
  ])("that %s is printed, and ends nothing", async (_how, onError) => {
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    const broken = new Error("broken");
    const { url } = await serving(() => Promise.reject(broken), { onError: onError as () => void });
    expect(await (await dial(url())).closed).toMatchObject({ code: 1011 });
    await until(() => expect(print).toHaveBeenCalledTimes(1));
    expect(print.mock.calls[0]?.at(-1)).toBe(broken);
    expect(await statusOf(url())).toBe(101);
  });

  test("by default prints no payload of a message that can't be decoded", async () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    const { url } = await site((server) => {
      const serve = async (conn: ServerConn<unknown>) => {
        for (;;) await conn.receive();
      };
      handle(server, "/ws", handler(serve, { codec: json() as never }));
    });
    const { socket, closed } = await dial(url());
    socket.send(`${"x".repeat(50)}secret${"x".repeat(50)}`);
    expect(await closed).toMatchObject({ code: 1011 });
    await until(() => expect(print.mock.calls).toMatchObject([[{ code: "unmarshal" }]]));
    expect(inspect(print.mock.calls)).not.toContain("secret");
  });
});

describe("a function whose promise resolves at once", () => {
  test.each<[string, Serve]>([
    ["asynchronous", async () => {}],
    ["one that returns send()", (conn) => conn.send("hello")],
  ])("closes with the reason, and is warned of once: %s", async (_what, serve) => {
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    const { url } = await serving(serve);
    for (let i = 0; i < 2; i++) {
      expect(await (await dial(url())).closed).toEqual({ code: 1000, reason: "handler returned" });
    }
    expect(warn.mock.calls).toEqual([
      [expect.stringContaining("closes the Conn"), { code: "TAUTLINE_HANDLER_RETURNED" }],
    ]);
  });

  test("gives no warning in production", async () => {
    vi.stubEnv("NODE_ENV", "production");
    onTestFinished(() => void vi.unstubAllEnvs());
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    const { url } = await serving(async () => {});
    expect(await (await dial(url())).closed).toMatchObject({ reason: "handler returned" });
    expect(warn).not.toHaveBeenCalled();
  });

  test("closes without a reason when it resolves later", async () => {
    const { url } = await serving(() => new Promise((resolve) => setImmediate(setImmediate, resolve)));
    expect(await (await dial(url())).closed).toEqual({ code: 1000, reason: "" });
  });
});

describe("a refused origin", () => {
  const origin = "https://foreign.example";

  test("goes to onRefused with its name and the option", async () => {
    const onRefused = vi.fn();
    const { url } = await serving(() => {}, { onRefused });
    expect(await statusOf(url(), { origin })).toBe(403);
    const message = expect.stringMatching(/"https:\/\/foreign\.example".*origins/);
    expect(onRefused.mock.calls).toEqual([
      [expect.objectContaining({ code: "refused", status: 403, message }), expect.objectContaining({ url: "/ws" })],
    ]);
  });

  test("is warned of once by default", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    const { url } = await serving();
    for (let i = 0; i < 3; i++) expect(await statusOf(url(), { origin })).toBe(403);
    expect(warn.mock.calls).toEqual([[expect.stringContaining(origin), { code: "TAUTLINE_ORIGIN_REFUSED" }]]);
  });

  test("is refused also where onRefused throws, which goes to onError", async () => {
    const broken = new Error("broken");
    const onRefused = () => {
      throw broken;
    };
    const { url, errors } = await serving(() => {}, { onRefused });
    expect(await statusOf(url(), { origin })).toBe(403);
    expect(errors).toEqual([broken]);
  });
});

describe("verifyClient of serverOptions", () => {
  test("decides before anything else", async () => {
    const verifyClient = ({ req }: { req: IncomingMessage }) => req.headers["x-key"] === "good";
    const authenticate = vi.fn(() => "ada");
    const { url } = await serving(forever, { serverOptions: { verifyClient }, authenticate });
    expect(await statusOf(url())).toBe(401);
    expect(authenticate).not.toHaveBeenCalled();
    expect(await statusOf(url(), { headers: { "x-key": "good" } })).toBe(101);
  });

  test("that finishes after shutdown has its client refused with 503", async () => {
    let accept = (_isVerified: boolean) => {};
    const verifyClient = (_info: unknown, done: typeof accept) => {
      accept = done;
    };
    const { url, ws } = await serving(forever, { serverOptions: { verifyClient } });
    const status = statusOf(url());
    const before = accept;
    await until(() => expect(accept).not.toBe(before));
    await ws.shutdown();
    accept(true);
    expect(await status).toBe(503);
    expect(ws.conns.size).toBe(0);
  });
});

test.each([
  [{ origins: "https://app.example.com" }, "origins"],
  [{ origins: ["https://app.example.com/path"] }, "such as https://app.example.com"],
  [{ origins: ["*"] }, "origins"],
  [{ origins: [/example/] }, "origins"],
  [{ protocols: ["a b"] }, "protocols"],
  [{ onError: "log" }, "onError"],
  [{ authenticate: {} }, "authenticate"],
  [{ authenticateTimeoutMs: 0 }, "authenticateTimeoutMs"],
  [{ resume: true }, "resume"],
  [{ resume: { maxSession: 1 } }, "maxSessions"],
  [{ admission: 5 }, "admission"],
  [{ serverOptions: { maxPayload: 5 } }, "maxPayloadBytes"],
  [{ serverOptions: { handleProtocols: () => "x" } }, "protocols"],
  [{ orgins: [] }, "origins"],
  [{ url: "ws://x" }, "url"],
])("an option that can't be meant throws bad-option: %o", (given, text) => {
  const message = expect.stringContaining(text);
  expect(() => handler(() => {}, given as never)).toThrow(expect.objectContaining({ code: "bad-option", message }));
});

test.each([
  [{}, "an object"],
  [undefined, "undefined"],
])("a handler without a function throws bad-option: %o", (serve, got) => {
  const message = `serve must be a function, called with each Conn; got ${got}.`;
  expect(() => handler(serve as never)).toThrow(expect.objectContaining({ code: "bad-option", message }));
});

test("a single protocol may be given as a string", async () => {
  const { url } = await serving(forever, { protocols: "chat" as never });
  expect((await dial(url(), { protocols: ["chat"] })).socket.protocol).toBe("chat");
});

describe("shutdown", () => {
  test.each([
    [{ timeoutMs: -1 }, "timeoutMs"],
    [{ timeoutMs: "5" }, "timeoutMs"],
    [{ spreadMs: Number.NaN }, "spreadMs"],
    [{ timeout: 5 }, "timeoutMs"],
  ])("throws bad-option at the call: %o", async (given, name) => {
    const { ws, url } = await serving(forever);
    const message = expect.stringContaining(name);
    expect(() => ws.shutdown(given as never)).toThrow(expect.objectContaining({ code: "bad-option", message }));
    expect(await statusOf(url())).toBe(101);
  });

  test("takes times that no timer or signal of the platform takes", async () => {
    const { ws, url } = await serving(forever);
    const { closed } = await dial(url());
    await until(() => expect(ws.conns.size).toBe(1));
    await ws.shutdown({ timeoutMs: 2 ** 40 + 0.5, spreadMs: 1.5 });
    expect(await closed).toMatchObject({ code: 1001 });
  });

  test("in the tick of an upgrade closes its connection", async () => {
    const { ws, url, server } = await serving(forever);
    server.on("upgrade", () => void ws.shutdown());
    const { closed } = await dial(url());
    expect(await closed).toMatchObject({ code: 1001 });
    expect(ws.conns.size).toBe(0);
  });

  test("closes every client with 1001 after all that was sent, and refuses new ones with 503", async () => {
    const { url, ws } = await serving(forever);
    const clients = await Promise.all([dial(url()), dial(url())]);
    await until(() => expect(ws.conns.size).toBe(2));
    for (const conn of ws.conns) conn.send("last words");
    const done = ws.shutdown();
    expect(await statusOf(url())).toBe(503);
    await done;
    for (const { received, closed } of clients) {
      expect(await closed).toEqual({ code: 1001, reason: "" });
      expect(received).toEqual(["last words"]);
    }
    expect(ws.conns.size).toBe(0);
    expect(await statusOf(url())).toBe(503);
  });

  test("resolves within its deadline though a client never answers", async () => {
    const { port, ws } = await serving(forever);
    const client = rawSocket(port, upgradeRequest("/ws"));
    await until(() => expect(ws.conns.size).toBe(1));
    vi.useFakeTimers(CONN_CLOCK);
    const ended = vi.fn();
    const shutdown = ws.shutdown({ timeoutMs: 200 }).then(ended);
    await vi.advanceTimersByTimeAsync(199);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    vi.useRealTimers();
    await shutdown;
    expect(ws.conns.size).toBe(0);
    // 0x88: a close frame; 0x03e9: 1001.
    await until(() => expect(client.input()).toContain("\x88\x02\x03\xe9"));
    await until(() => expect(client.isClosed()).toBe(true));
  });

  test("with a deadline emits no warning, however many Conns there are", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
    const { url, ws } = await serving(forever);
    await Promise.all(Array.from({ length: 12 }, () => dial(url())));
    await until(() => expect(ws.conns.size).toBe(12));
    await ws.shutdown({ timeoutMs: 1_000 });
    expect(warned).not.toHaveBeenCalled();
  });

  test("spreads over the time given, however busy the process is", async () => {
    const { url, ws } = await serving(forever);
    const clients = await Promise.all([dial(url()), dial(url())]);
    await until(() => expect(ws.conns.size).toBe(2));
    const seen: string[] = [];
    for (const conn of ws.conns) {
      conn.on("state", ({ to }) => {
        if (to !== "closing") return;
        seen.push("closing");
        queueMicrotask(() => seen.push("end of the step"));
      });
    }
    const now = performance.now();
    const clock = vi.spyOn(performance, "now").mockReturnValue(now);
    const shutdown = ws.shutdown({ spreadMs: 60_000 });
    clock.mockReturnValue(now + 60_000);
    await shutdown;
    expect(seen.slice(0, 2)).toEqual(["closing", "closing"]);
    for (const { closed } of clients) expect(await closed).toMatchObject({ code: 1001 });
  });

  test("closes a client that is still in setup with 1001", async () => {
    const inSetup = vi.fn();
    const { url, ws } = await serving(forever, {
      setup: async ({ receive }) => {
        inSetup();
        await receive();
      },
    });
    const { closed } = await dial(url());
    await until(() => expect(inSetup).toHaveBeenCalled());
    await ws.shutdown();
    expect(await closed).toEqual({ code: 1001, reason: "" });
  });

  test("is no fault of a function that goes on sending", async () => {
    const { url, ws, errors } = await serving(async (conn) => {
      for (;;) {
        await conn.send("news");
        await new Promise(setImmediate);
      }
    });
    const { closed } = await dial(url());
    await until(() => expect(ws.conns.size).toBe(1));
    await ws.shutdown({ timeoutMs: Number.POSITIVE_INFINITY });
    expect(await closed).toEqual({ code: 1001, reason: "" });
    expect(errors).toEqual([]);
  });

  test("resolves at once without Conns, and may be called again", async () => {
    const { ws } = await serving();
    await ws.shutdown();
    await ws.shutdown();
    expect(ws.conns.size).toBe(0);
  });

  test("does not leave a function waiting", async () => {
    const ended = vi.fn();
    const { url, ws, errors } = await serving(async (conn) => {
      try {
        for await (const _ of conn);
      } finally {
        ended();
      }
    });
    await dial(url());
    await until(() => expect(ws.conns.size).toBe(1));
    await ws.shutdown();
    await until(() => expect(ended).toHaveBeenCalled());
    expect(errors).toEqual([]);
  });
});

describe("untrusted input", () => {
  test.each([
    ["no Host", 400, upgradeRequest("/ws", { Host: undefined })],
    ["an empty Host", 400, upgradeRequest("/ws", { Host: "" })],
    ["a Host that makes no URL", 400, upgradeRequest("/ws", { Host: "[" })],
    ["a Host with a space", 400, upgradeRequest("/ws", { Host: "a b" })],
    ["a Host with a path", 400, upgradeRequest("/ws", { Host: "x/y" })],
    ["a Host with a fragment", 400, upgradeRequest("/ws", { Host: "x#y" })],
    ["a port out of range", 400, upgradeRequest("/ws", { Host: "x:99999" })],
    ["a fragment in its target", 101, upgradeRequest("/ws?#part")],
    ["a bad escape in its target", 101, upgradeRequest("/ws?%zz%")],
    ["a target that is a URL", 404, upgradeRequest("http://x/ws")],
    ["a target that is no path", 404, upgradeRequest("*")],
    ["two slashes for a target", 404, upgradeRequest("//")],
    ["a line feed's worth of bytes in its target", 400, upgradeRequest("/ws?\x7f\xff")],
    ["no key", 400, upgradeRequest("/ws", { "Sec-WebSocket-Key": undefined })],
    ["an old version", 400, upgradeRequest("/ws", { "Sec-WebSocket-Version": "7" })],
    ["a bad list of protocols", 400, upgradeRequest("/ws", { "Sec-WebSocket-Protocol": ",,a b" })],
    ["bad extensions", 101, upgradeRequest("/ws", { "Sec-WebSocket-Extensions": ";;=" })],
    ["another protocol to upgrade to", 200, upgradeRequest("/ws", { Upgrade: "h2c" })],
  ])("an upgrade with %s is answered with %d, and the next one served", async (_name, status, request) => {
    const { port, url, errors } = await serving(echo);
    const { input } = rawSocket(port, Buffer.from(request, "latin1"));
    await until(() => expect(input().slice(0, 13)).toBe(`HTTP/1.1 ${status} `));
    const { socket, received } = await dial(url());
    socket.send("alive");
    await until(() => expect(received).toEqual(["alive"]));
    expect(errors).toEqual([]);
  });

  test.each([
    ["that is not masked", Buffer.from([0x81, 1, 65])],
    ["of a reserved kind", Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
    ["of text that is no UTF-8", Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff])],
    ["that claims to be huge", Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])],
  ])("a frame %s ends that connection alone", async (_name, frame) => {
    const { port, url, ws, errors } = await serving(echo, { closeTimeoutMs: 1 });
    const { socket, received } = await dial(url());
    const { isClosed } = rawSocket(port, Buffer.concat([Buffer.from(upgradeRequest("/ws")), frame]));
    await until(() => expect(isClosed()).toBe(true));
    await until(() => expect(ws.conns.size).toBe(1));
    socket.send("alive");
    await until(() => expect(received).toEqual(["alive"]));
    expect(errors).toEqual([]);
  });

  test("a client that is gone before it is answered does no harm", async () => {
    const { port, url, ws } = await serving(echo);
    for (let i = 0; i < 20; i++) {
      const { socket } = rawSocket(port, upgradeRequest("/ws"));
      socket.once("ready", () => socket.resetAndDestroy());
    }
    expect(await statusOf(url())).toBe(101);
    await until(() => expect(ws.conns.size).toBe(0));
  });
});
