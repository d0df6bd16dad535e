import type { IncomingMessage } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { Conn, ConnError, json, type Payload } from "../../../src/index.ts";
import { type Handler, type HandlerOptions, handle, handler, type ServerConn } from "../../../src/server/index.ts";
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
    const { url, conn, ws, errors } = await serving(echo, { heartbeat: { intervalMs: 100, timeoutMs: 200 } });
    await dial(url(), { autoPong: false });
    const it = await conn();
    const start = performance.now();
    expect(await it.closed).toMatchObject({ code: 1006, clean: false });
    expect(performance.now() - start).toBeLessThan(1_300);
    expect(ws.conns.size).toBe(0);
    expect(errors).toEqual([]);
  });

  test("keeps a quiet client that answers pings", async () => {
    const { url, conn } = await serving(echo, { heartbeat: { intervalMs: 20, timeoutMs: 200 } });
    await dial(url());
    const it = await conn();
    let pongs = 0;
    it.on("latency", () => pongs++);
    await until(() => expect(pongs).toBeGreaterThan(3));
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
    expect(await closed).toEqual({ code: 1000, reason: "" });
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

describe("shutdown", () => {
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
    const start = performance.now();
    await ws.shutdown({ timeoutMs: 200 });
    expect(performance.now() - start).toBeGreaterThan(190);
    expect(performance.now() - start).toBeLessThan(1_200);
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
    const busy = setInterval(() => {
      for (const until = performance.now() + 60; performance.now() < until; );
    }, 1);
    const start = performance.now();
    await ws.shutdown({ spreadMs: 400 }).finally(() => clearInterval(busy));
    expect(performance.now() - start).toBeGreaterThan(190);
    expect(performance.now() - start).toBeLessThan(900);
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
    ["no Host", upgradeRequest("/ws", { Host: undefined })],
    ["an empty Host", upgradeRequest("/ws", { Host: "" })],
    ["a Host that makes no URL", upgradeRequest("/ws", { Host: "[" })],
    ["a Host with a space", upgradeRequest("/ws", { Host: "a b" })],
    ["a Host with a path", upgradeRequest("/ws", { Host: "x/y" })],
    ["a Host with a fragment", upgradeRequest("/ws", { Host: "x#y" })],
    ["a port out of range", upgradeRequest("/ws", { Host: "x:99999" })],
    ["a fragment in its target", upgradeRequest("/ws?#part")],
    ["a bad escape in its target", upgradeRequest("/ws?%zz%")],
    ["a target that is a URL", upgradeRequest("http://x/ws")],
    ["a target that is no path", upgradeRequest("*")],
    ["two slashes for a target", upgradeRequest("//")],
    ["a line feed's worth of bytes in its target", upgradeRequest("/ws?\x7f\xff")],
    ["no key", upgradeRequest("/ws", { "Sec-WebSocket-Key": undefined })],
    ["an old version", upgradeRequest("/ws", { "Sec-WebSocket-Version": "7" })],
    ["a bad list of protocols", upgradeRequest("/ws", { "Sec-WebSocket-Protocol": ",,a b" })],
    ["bad extensions", upgradeRequest("/ws", { "Sec-WebSocket-Extensions": ";;=" })],
    ["another protocol to upgrade to", upgradeRequest("/ws", { Upgrade: "h2c" })],
  ])("an upgrade with %s is answered, and the next one served", async (_name, request) => {
    const { port, url, errors } = await serving(echo);
    const { input } = rawSocket(port, Buffer.from(request, "latin1"));
    await until(() => expect(input()).toMatch(/^HTTP\/1\.1 (101|400|404|405|426) /));
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
    const { port, url, ws, errors } = await serving(echo);
    const { isClosed } = rawSocket(port, Buffer.concat([Buffer.from(upgradeRequest("/ws")), frame]));
    await until(() => expect(isClosed()).toBe(true));
    await until(() => expect(ws.conns.size).toBe(0));
    expect(await statusOf(url())).toBe(101);
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
