import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Conn, type ConnOptions, type Payload } from "../../../src/index.ts";
import { resume } from "../../../src/resume/client/index.ts";
import { handle, handler } from "../../../src/server/index.ts";
import { NodeSocket, type WsSocket } from "../../../src/socket/node-socket.ts";
import type { SocketOwner } from "../../../src/socket/socket.ts";
import { settled, site, until } from "../../support/ws-server.ts";

/** How a client frames a message: two bytes and a mask, and more for a length that does not fit (RFC 6455, section 5.2). */
const framed = (bytes: number) => bytes + (bytes < 126 ? 6 : bytes < 65_536 ? 8 : 14);
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `message ${from + i}`);
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
const NOW = AbortSignal.abort();

/** The server's record of one connection, in order. */
interface Visit {
  readonly socket: WebSocket;
  readonly heard: Payload[];
  /** Messages and pings, by their kinds. */
  readonly kinds: string[];
  code: number | undefined;
}

/** A plain server that notes what comes. */
async function peer(greet: (socket: WebSocket, nth: number) => void = () => {}) {
  const visits: Visit[] = [];
  const { url } = await site((server) => {
    new WebSocketServer({ server }).on("connection", (socket) => {
      const visit: Visit = { socket, heard: [], kinds: [], code: undefined };
      visits.push(visit);
      socket.on("error", () => {});
      socket.on("message", (data: Buffer, isBinary) => {
        visit.heard.push(isBinary ? new Uint8Array(data) : String(data));
        visit.kinds.push("message");
      });
      socket.on("ping", () => visit.kinds.push("ping"));
      socket.on("close", (code) => {
        visit.code = code;
      });
      greet(socket, visits.length);
    });
  });
  return { url: url(), visits };
}

/** The class of `ws`, which remembers what it made. */
function remembering() {
  const made: { readonly socket: WebSocket; tcp?: Socket }[] = [];
  class Remembered extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      const each: (typeof made)[number] = { socket: this };
      made.push(each);
      this.on("upgrade", (response: IncomingMessage) => {
        each.tcp = response.socket;
      });
    }
  }
  return { made, WebSocket: Remembered as unknown as NonNullable<ConnOptions["WebSocket"]> };
}

async function open(url: string, options: ConnOptions = {}): Promise<Conn> {
  const conn = new Conn(url, { backoff: () => 0, heartbeat: false, ...options });
  onTestFinished(() => void conn.close(1000, "", { signal: NOW }));
  await conn.ready();
  await nextTurn();
  return conn;
}

describe("a turn's messages", () => {
  /** A Conn to a server in another thread, and how to stand still until that has heard or said so much. */
  async function standing() {
    const shared = new SharedArrayBuffer(8);
    const counts = new Int32Array(shared);
    const worker = new Worker(join(import.meta.dirname, "../../support/standing-peer.mjs"), { workerData: shared });
    onTestFinished(async () => void (await worker.terminate()));
    const [port] = await once(worker, "message");
    const conn = await open(`ws://127.0.0.1:${port}/`);
    const reach = (which: number, count: number) => {
      const end = performance.now() + 10_000;
      for (let has = 0; has < count && performance.now() < end; has = Atomics.load(counts, which)) {
        Atomics.wait(counts, which, has, 100);
      }
      return Atomics.load(counts, which);
    };
    return {
      conn,
      heard: (count: number) => reach(0, count),
      /** The server's message has arrived, though no code has read it. */
      say: () => {
        worker.postMessage("go on");
        reach(1, 1);
      },
    };
  }

  test.for(["timer", "immediate", "I/O"] as const)("have left before a due %s of the same turn", async (kind) => {
    const { conn, heard, say } = await standing();
    const count = await new Promise<number>((resolve) => {
      const look = () => resolve(heard(100));
      // In a timer, behind which come I/O and then immediates.
      setTimeout(() => {
        if (kind === "timer") setTimeout(look, 0);
        if (kind === "immediate") setImmediate(look);
        if (kind === "I/O") {
          conn.on("message", look);
          say();
        }
        for (const text of numbered(100)) conn.send(text);
        // Timers of the next turn are due.
        for (const end = performance.now() + 3; performance.now() < end; );
      }, 0);
    });
    expect(count).toBe(100);
  });

  test("that microtasks and ticks send have left by then too", async () => {
    const { conn, heard } = await standing();
    const count = await new Promise<number>((resolve) => {
      setTimeout(() => {
        setImmediate(() => resolve(heard(5)));
        conn.send("turn");
        Promise.resolve()
          .then(() => conn.send("microtask"))
          .then(() => process.nextTick(() => conn.send("tick in a microtask")));
        process.nextTick(() => {
          conn.send("tick");
          queueMicrotask(() => conn.send("microtask in a tick"));
        });
      }, 0);
    });
    expect(count).toBe(5);
  });

  test("have left though the turn ends in an exception", async () => {
    const { conn, heard } = await standing();
    const thrown = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
    onTestFinished(() => process.setUncaughtExceptionCaptureCallback(null));
    const count = new Promise<number>((resolve) => {
      setImmediate(() => {
        setTimeout(() => setImmediate(() => resolve(heard(100))), 0);
        for (const text of numbered(100)) conn.send(text);
        throw new Error("after the burst");
      });
    });
    expect(await thrown).toMatchObject({ message: "after the burst" });
    expect(await count).toBe(100);
  });

  test("come in order, whatever they are and wherever in the turn they were sent", async () => {
    const { url, visits } = await peer();
    const conn = await open(url);
    const sent: Payload[] = [];
    const send = (payload: Payload) => {
      sent.push(payload);
      conn.send(payload);
    };
    const mixture = (n: number) => {
      send(`${n} is text`);
      send(new Uint8Array(100).fill(n));
      send("");
      send(new Uint8Array(70_000).fill(n));
      send(new Uint8Array(0));
      send(`${n}${"ü".repeat(70_000)}`);
    };
    mixture(0);
    queueMicrotask(() => mixture(1));
    process.nextTick(() => {
      mixture(2);
      queueMicrotask(() => mixture(3));
    });
    mixture(4);
    await conn.flush();
    mixture(5);
    await until(() => expect(visits[0]?.heard).toHaveLength(36));
    const labels = (all: readonly Payload[] = []) => all.map((each) => `${typeof each} ${each.length} ${each[0]}`);
    expect(labels(visits[0]?.heard)).toEqual(labels(sent));
  });

  test.for([
    [
      "an awaited send",
      async (conn: Conn) => {
        for (let i = 0; i < 50; i++) await conn.send("x");
      },
    ],
    [
      "an awaited function that awaits",
      async (conn: Conn) => {
        const send = async () => void (await conn.send("x"));
        for (let i = 0; i < 50; i++) await send();
      },
    ],
    [
      "a generator that awaits",
      async (conn: Conn) => {
        async function* each() {
          for (let i = 0; i < 50; i++) yield await i;
        }
        for await (const _ of each()) conn.send("x");
      },
    ],
  ] as const)("stay together through %s between any two", async ([, sendAll]) => {
    const { url } = await peer();
    const conn = await open(url);
    await sendAll(conn);
    expect(conn.stats.bufferedAmount).toBe(50 * framed(1));
  });

  test("do not wait for a turn's other work once nothing more is sent", async () => {
    const { url } = await peer();
    const conn = await open(url);
    await new Promise<void>((resolve) => setImmediate(resolve));
    conn.send("x");
    for (let round = 0; round < 10; round++) await undefined;
    expect(conn.stats.bufferedAmount).toBe(0);
  });

  test("keep their places around one of 8 MiB", async () => {
    const { url, visits } = await peer();
    const conn = await open(url, { outbox: { highWaterMark: 2 ** 25 } });
    const burst = [...numbered(50), "x".repeat(2 ** 23), ...numbered(50, 50)];
    for (const payload of burst) conn.send(payload);
    expect(conn.stats.outbox.messages).toBe(0);
    await until(() => expect(visits[0]?.heard).toHaveLength(101));
    expect(visits[0]?.heard).toEqual(burst);
  });

  test("keep their places around a ping", async () => {
    const { url, visits } = await peer();
    const { socket } = await bare(url);
    socket.write("before");
    socket.ping();
    socket.write("after");
    await until(() => expect(visits[0]?.kinds).toEqual(["message", "ping", "message"]));
  });
});

/** One connection without a Conn. */
async function bare(url: string) {
  const ws = new WebSocket(url, { perMessageDeflate: false });
  const owner: SocketOwner = { onOpen() {}, onMessage() {}, onEnd() {}, onPong() {} };
  const socket = new NodeSocket(ws as unknown as WsSocket, 1_000_000, owner);
  onTestFinished(() => ws.terminate());
  await once(ws, "open");
  return { socket, ws };
}

describe("the buffer", () => {
  test("counts each message of the turn, frame and all, and is empty as soon as the network has taken them", async () => {
    const { url } = await peer();
    const conn = await open(url);
    let sum = 0;
    for (const bytes of [0, 1, 125, 126, 1_000, 65_535, 65_536]) {
      conn.send(new Uint8Array(bytes));
      sum += framed(bytes);
      expect(conn.stats.bufferedAmount).toBe(sum);
    }
    await conn.flush();
    expect(conn.stats.bufferedAmount).toBe(0);
  });

  test("above the high-water mark makes the rest of a turn wait, which goes on in order when the peer reads", async () => {
    const { url, visits } = await peer((socket) => socket.pause());
    const highWaterMark = 2 ** 20;
    const conn = await open(url, { outbox: { highWaterMark, maxBytes: 2 ** 26 } });
    const chunk = 2 ** 16;
    const fits = Math.floor(highWaterMark / framed(chunk)) + 1;
    let done = 0;
    const fates = Array.from({ length: 2 ** 9 }, (_, n) =>
      conn.send(new Uint8Array(chunk).fill(n)).then(() => {
        done++;
      }),
    );
    expect(conn.stats).toMatchObject({
      bufferedAmount: fits * framed(chunk),
      outbox: { messages: fates.length - fits, bytes: (fates.length - fits) * chunk },
    });
    await nextTurn();
    // The last that fit is the first that waits.
    expect(done).toBeGreaterThanOrEqual(fits - 1);
    // More than two kernels take for a peer that does not read.
    expect(await settled(() => done)).toBeLessThan(fates.length);
    expect(conn.stats.outbox.messages).toBeGreaterThan(0);
    expect(conn.stats.bufferedAmount).toBeLessThanOrEqual(highWaterMark + framed(chunk));
    visits[0]?.socket.resume();
    await Promise.all(fates);
    await conn.flush();
    expect(conn.stats).toMatchObject({ bufferedAmount: 0, outbox: { messages: 0, bytes: 0 } });
    await until(() => expect(visits[0]?.heard).toHaveLength(fates.length));
    const order = visits[0]?.heard.map(([first]) => first as unknown as number);
    expect(order).toEqual(fates.map((_, n) => n % 256));
  });
});

describe("a connection that dies in the middle of a turn", () => {
  test("gets no message twice, and what it did not take goes to the next one", async () => {
    const { url, visits } = await peer();
    const { made, WebSocket } = remembering();
    const conn = await open(url, { WebSocket });
    for (const text of numbered(50)) conn.send(text);
    made[0]?.socket.terminate();
    const fates = numbered(50, 50).map((text) => conn.send(text));
    expect(conn.stats.sent).toBe(50);
    expect(conn.stats.outbox.messages).toBe(50);
    await Promise.all(fates);
    await until(() => expect(visits[1]?.heard).toHaveLength(50));
    expect(visits[1]?.heard).toEqual(numbered(50, 50));
    // Messages that it had taken are gone with it, or had arrived.
    expect(visits[0]?.heard).toEqual(numbered(visits[0]?.heard.length ?? 0));
    expect(visits).toHaveLength(2);
  });

  test("under it, gets no message twice, and what was sent once that was known goes to the next one", async () => {
    const { url, visits } = await peer();
    const { made, WebSocket } = remembering();
    const conn = await open(url, { WebSocket });
    const lost = new Promise<number>((resolve) =>
      conn.on("disconnected", () => resolve(conn.stats.sent), { once: true }),
    );
    for (const text of numbered(50)) conn.send(text);
    made[0]?.tcp?.destroy();
    for (const text of numbered(50, 50)) conn.send(text);
    const taken = await lost;
    for (const text of numbered(50, 100)) conn.send(text);
    await until(() => expect(visits[1]?.heard.at(-1)).toBe("message 149"));
    expect(visits[1]?.heard).toEqual(numbered(150 - taken, taken));
    expect(visits[0]?.heard).toEqual(numbered(visits[0]?.heard.length ?? 0));
  });

  test("loses and doubles nothing with resume, wherever in the turn it dies", async () => {
    const heard: Payload[] = [];
    const { url } = await site((server) => {
      const served = handler((conn) => void conn.on("message", (message) => heard.push(message)), { resume: {} });
      handle(server, "/ws", served);
    });
    const { made, WebSocket } = remembering();
    const conn = await open(url(), { WebSocket, resume: resume() });
    const ways: ((nth: number) => void)[] = [
      (nth) => made.at(nth)?.socket.terminate(),
      (nth) => made.at(nth)?.tcp?.destroy(),
      (nth) => made.at(nth)?.tcp?.resetAndDestroy(),
      () => conn.reconnect(),
    ];
    let sent = 0;
    for (const die of ways) {
      for (const at of [0, 25, 50]) {
        await conn.ready();
        for (let n = 0; n <= 50; n++) {
          if (n === at) die(-1);
          conn.send(`message ${sent++}`);
        }
        await nextTurn();
      }
      // Before a message that no return brings through is taken for what kills them.
      await conn.flush();
    }
    expect(heard).toEqual(numbered(sent));
    expect(made.length).toBeGreaterThan(ways.length);
  });
});

describe("a turn that ends the connection", () => {
  const burst = numbered(1_000);

  test("by close() sends its messages first, then 1000", async () => {
    const { url, visits } = await peer();
    const conn = await open(url);
    for (const text of burst) conn.send(text);
    expect(await conn.close()).toMatchObject({ code: 1000, clean: true, unsent: [] });
    expect(visits).toMatchObject([{ heard: burst, code: 1000 }]);
  });

  test("by close() sends its messages first, those too that a full buffer makes wait", async () => {
    const { url, visits } = await peer();
    const conn = await open(url, { outbox: { highWaterMark: 1_000 } });
    for (const text of burst) conn.send(text);
    expect(conn.stats.outbox.messages).toBeGreaterThan(burst.length / 2);
    expect(await conn.close()).toMatchObject({ code: 1000, clean: true, unsent: [] });
    expect(visits).toMatchObject([{ heard: burst, code: 1000 }]);
  });

  test("by close() that has no time has handed its messages over", async () => {
    const { url, visits } = await peer();
    const conn = await open(url);
    for (const text of burst) conn.send(text);
    expect(await conn.close(1000, "", { signal: NOW })).toMatchObject({ by: "local", clean: false, unsent: [] });
    await until(() => expect(visits).toMatchObject([{ heard: burst, code: 1006 }]));
  });

  test("by the signal has handed its messages over", async () => {
    const { url, visits } = await peer();
    const controller = new AbortController();
    const conn = await open(url, { signal: controller.signal });
    for (const text of burst) conn.send(text);
    controller.abort();
    expect(await conn.closed).toMatchObject({ by: "signal", unsent: [] });
    await until(() => expect(visits).toMatchObject([{ heard: burst, code: 1006 }]));
  });

  test("by reconnect() sends its messages over the old connection, and later ones over the new", async () => {
    const { url, visits } = await peer();
    const conn = await open(url);
    for (const text of burst) conn.send(text);
    conn.reconnect();
    conn.send("later");
    await until(() => expect(visits).toMatchObject([{ heard: burst, code: 4001 }, { heard: ["later"] }]));
  });

  test.for([
    [undefined, 1006],
    [4001, 4001],
  ] as const)("by abandoning it with %s has handed its messages over", async ([code, told]) => {
    const { url, visits } = await peer();
    const { socket } = await bare(url);
    for (const text of burst) socket.write(text);
    socket.abandon(code);
    await until(() => expect(visits).toMatchObject([{ heard: burst, code: told }]));
  });

  test("on a server, by the end of its function, sends its messages first", async () => {
    const { url } = await site((server) => {
      const served = handler(async (conn) => {
        for (const text of burst) conn.send(text);
      });
      handle(server, "/ws", served);
    });
    const conn = new Conn(url());
    const heard: Payload[] = [];
    for await (const text of conn) heard.push(text);
    expect(heard).toEqual(burst);
    expect(await conn.closed).toMatchObject({ code: 1000, by: "peer" });
  });
});
