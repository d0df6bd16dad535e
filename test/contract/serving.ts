import { createServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type * as Tautline from "../../src/index.ts";
import type { resume } from "../../src/resume/client/index.ts";
import type * as Server from "../../src/server/index.ts";
import type { faultProxy } from "../../src/testing/index.ts";
import { between, CASE_MS, equal, matches, ok, SLACK_MS, until, within } from "./assert.ts";
import { numbered } from "./case-context.ts";

// The server's half of the contract: `tautline/server` in the runtime that runs the cases, with clients in the same
// process. Raw clients over TCP show what no WebSocket class of a platform would do.

export interface ServingEnv {
  readonly tautline: typeof Tautline;
  readonly server: typeof Server;
  readonly resume: typeof resume;
  readonly faultProxy: typeof faultProxy;
}

export interface ServingCase {
  /** A fact that could be false. */
  readonly name: string;
  run(env: ServingEnv): Promise<void>;
}

type CaseOptions = { readonly serve?: (conn: ServedConn) => unknown } & Server.HandlerOptions<string | Uint8Array>;
type ServedConn = Server.ServerConn<string | Uint8Array>;

const TEXT = 1;
const CLOSE = 8;

/** A server of one case, and the clients of it. */
class Stage {
  readonly env: ServingEnv;
  readonly http: HttpServer;
  readonly served: Server.Handler<string | Uint8Array>;
  readonly conns: ServedConn[] = [];
  readonly errors: unknown[] = [];
  readonly #leave: (() => unknown)[] = [];
  port = 0;

  constructor(
    env: ServingEnv,
    serve: (conn: ServedConn) => unknown,
    options: Server.HandlerOptions<string | Uint8Array>,
  ) {
    this.env = env;
    this.http = createServer();
    const keep = async (conn: ServedConn) => {
      this.conns.push(conn);
      await serve(conn);
      await conn.closed;
    };
    this.served = env.server.handler(keep, { onError: (error) => this.errors.push(error), ...options });
    env.server.handle(this.http, "/live", this.served);
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.http.listen(0, "127.0.0.1", resolve));
    this.port = (this.http.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/live`;
  }

  client(options: Tautline.ConnOptions = {}, url = this.url): Tautline.Conn {
    const conn = new this.env.tautline.Conn(url, { backoff: () => 0, ...options });
    this.#leave.push(() => conn.close());
    return conn;
  }

  /** The server's Conn of the nth client. */
  async conn(index = 0): Promise<ServedConn> {
    await until(`client ${index} is served`, () => this.conns.length > index);
    return this.conns[index] as ServedConn;
  }

  /** A client that is nothing but TCP: it has asked for an upgrade. */
  async raw(headers: Readonly<Record<string, string>> = {}, path = "/live"): Promise<RawClient> {
    const client = new RawClient(connect(this.port, "127.0.0.1"), headers, path, this.port);
    this.#leave.push(() => client.socket.destroy());
    return client;
  }

  /** A proxy before the server, whose connections can be cut. */
  async relay(): Promise<{ readonly url: string; cut(): void }> {
    const proxy = await this.env.faultProxy(this.port);
    this.#leave.push(() => proxy.close());
    return { url: `ws://127.0.0.1:${proxy.port}/live`, cut: () => proxy.cut() };
  }

  async close(): Promise<void> {
    await Promise.all(this.#leave.map((leave) => leave()));
    await this.served.shutdown({ timeoutMs: 500 });
    this.http.closeAllConnections?.();
    this.http.close();
  }
}

/** Bytes of a client, and what the server answered. */
class RawClient {
  readonly socket: Socket;
  #input = Buffer.alloc(0);
  isOver = false;

  constructor(socket: Socket, headers: Readonly<Record<string, string>>, path: string, port: number) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => {
      this.#input = Buffer.concat([this.#input, data]);
    });
    socket.once("close", () => {
      this.isOver = true;
    });
    const all = {
      Host: `127.0.0.1:${port}`,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  }

  /** The status of the answer. */
  async status(): Promise<number> {
    await until("the upgrade is answered", () => this.#input.includes("\r\n\r\n"));
    return Number(this.#input.toString("latin1").split(" ")[1]);
  }

  /** Writes one masked frame (RFC 6455, section 5.2), with a mask of zeros. */
  write(opcode: number, payload: Uint8Array): void {
    const size = payload.length < 126 ? [128 | payload.length] : [254, payload.length >> 8, payload.length & 255];
    this.socket.write(Buffer.concat([Buffer.from([128 | opcode, ...size, 0, 0, 0, 0]), payload]));
  }

  /** The code of the server's close frame. */
  async closeCode(): Promise<number> {
    let code = 0;
    await until("a close frame comes", () => {
      for (const frame of this.#frames()) if (frame.opcode === CLOSE) code = frame.payload.readUInt16BE(0);
      return code !== 0;
    });
    return code;
  }

  *#frames(): Iterable<{ readonly opcode: number; readonly payload: Buffer }> {
    let at = this.#input.indexOf("\r\n\r\n") + 4;
    // Frames of up to 125 bytes are all that the cases make the server send.
    while (at >= 4 && at + 2 <= this.#input.length) {
      const size = this.#input.readUInt8(at + 1);
      if (at + 2 + size > this.#input.length) return;
      yield { opcode: this.#input.readUInt8(at) & 15, payload: this.#input.subarray(at + 2, at + 2 + size) };
      at += 2 + size;
    }
  }
}

function define(
  name: string,
  act: (stage: Stage) => Promise<void>,
  given: CaseOptions | ((env: ServingEnv) => CaseOptions) = {},
): ServingCase {
  return {
    name,
    async run(env) {
      const { serve = () => {}, ...options } = typeof given === "function" ? given(env) : given;
      const stage = new Stage(env, serve, options);
      await stage.listen();
      try {
        await within(CASE_MS, "The case has not ended", act(stage));
      } finally {
        await stage.close();
      }
    },
  };
}

const echo = async (conn: ServedConn) => {
  for await (const message of conn) conn.send(message);
};
/** A peer that answers no ping is left after 400 ms. */
const QUICK = { intervalMs: 200, timeoutMs: 200 };

async function received(conn: Tautline.Conn, count: number): Promise<unknown[]> {
  const all: unknown[] = [];
  while (all.length < count) all.push(await conn.receive());
  return all;
}

export const serving: readonly ServingCase[] = [
  define(
    "a server brings back text, bytes, nothing and a megabyte as they were",
    async (stage) => {
      const conn = stage.client();
      const large = "grüße ".repeat(170_000);
      const payloads = ["text", Uint8Array.of(0, 255), "", new Uint8Array(0), large, new Uint8Array(2 ** 20)];
      for (const payload of payloads) conn.send(payload);
      equal(await received(conn, payloads.length), payloads);
    },
    { serve: echo },
  ),

  define("a server sends a thousand messages of a turn in order", async (stage) => {
    const conn = stage.client();
    const served = await stage.conn();
    for (const text of numbered(1_000)) served.send(text);
    equal(await received(conn, 1_000), numbered(1_000));
  }),

  define(
    "a server selects the first protocol that it knows, and sees the request",
    async (stage) => {
      const conn = stage.client({ protocols: ["unknown", "chat"] }, `${stage.url}?room=1`);
      await conn.ready();
      const served = await stage.conn();
      equal([conn.protocol, served.protocol, served.request.url], ["chat", "chat", "/live?room=1"]);
    },
    { protocols: ["chat"] },
  ),

  define("a server and a client see each other's close frames", async (stage) => {
    const first = stage.client();
    const left = await stage.conn(0);
    const second = stage.client();
    const kept = await stage.conn(1);
    await Promise.all([first.ready(), second.ready()]);
    await first.close(4001, "by the client");
    matches(await left.closed, { code: 4001, reason: "by the client", clean: true, by: "peer" });
    const ended = second.closed;
    matches(await kept.close(4404, "by the server"), { code: 4404, clean: true, by: "local" });
    matches(await ended, { code: 4404, reason: "by the server", by: "policy" });
  }),

  define("a server sees the end of a client whose network is gone", async (stage) => {
    const { url, cut } = await stage.relay();
    const conn = stage.client({ maxRetries: 0 }, url);
    const served = await stage.conn();
    await conn.ready();
    cut();
    matches(await served.closed, { code: 1006, clean: false });
  }),

  define(
    "a server leaves a client that answers no ping",
    async (stage) => {
      const client = await stage.raw();
      equal(await client.status(), 101);
      const served = await stage.conn();
      const start = performance.now();
      matches(await served.closed, { code: 1006, clean: false });
      between(200, performance.now() - start, 400 + SLACK_MS);
      await until("the socket is ended", () => client.isOver);
    },
    { heartbeat: QUICK },
  ),

  define(
    "a server answers an upgrade from a foreign page with 403, and one of its own host with 101",
    async (stage) => {
      equal(await (await stage.raw({ Origin: "https://evil.example" })).status(), 403);
      equal(await (await stage.raw({ Origin: `http://127.0.0.1:${stage.port}` })).status(), 101);
    },
  ),

  define(
    "a server answers other paths with 404, ordinary requests with 426, wrong upgrades with 400",
    async (stage) => {
      equal(await (await stage.raw({}, "/elsewhere")).status(), 404);
      equal((await fetch(stage.url.replace("ws", "http"))).status, 426);
      equal(await (await stage.raw({ "Sec-WebSocket-Key": "short" })).status(), 400);
    },
  ),

  define(
    "a server refuses who does not authenticate: programs by status, pages by a close code",
    async (stage) => {
      equal(await (await stage.raw()).status(), 401);
      const page = await stage.raw({ Origin: `http://127.0.0.1:${stage.port}` });
      equal([await page.status(), await page.closeCode()], [101, 4401]);
      stage.client({}, `${stage.url}?token=good`);
      equal((await stage.conn()).principal, "somebody");
    },
    ({ server }) => ({
      async authenticate({ url }) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        return url?.includes("good") ? "somebody" : server.refuse(401);
      },
    }),
  ),

  define("a server ends a Conn whose listener throws with 1011, and reports the error", async (stage) => {
    const [conn, other] = [stage.client({ maxRetries: 0 }), stage.client()];
    const failure = new Error("mine");
    const served = await stage.conn(1);
    for (const each of stage.conns) {
      each.on("message", () => {
        throw failure;
      });
    }
    conn.send("hello");
    matches(await conn.closed, { code: 1011 });
    ok(stage.errors.includes(failure), "onError was not called.");
    await other.ready();
    ok(served !== undefined, "The other client was not served.");
  }),

  define(
    "a server closes with 1009 on a message over maxPayloadBytes, and with 1007 on text that is no UTF-8",
    async (stage) => {
      const client = await stage.raw();
      await client.status();
      client.write(TEXT, new Uint8Array(2_000).fill(97));
      equal(await client.closeCode(), 1009);
      const other = await stage.raw();
      await other.status();
      other.write(TEXT, Uint8Array.of(255, 254));
      equal(await other.closeCode(), 1007);
    },
    { maxPayloadBytes: 1_000 },
  ),

  define("a broadcast reaches every client but those it leaves out", async (stage) => {
    const clients = [0, 1, 2, 3].map(() => stage.client());
    await stage.conn(3);
    const count = await stage.served.broadcast("news", { except: stage.conns[3] });
    equal(count, 3);
    const messages = clients.map((client) =>
      client.receive({ signal: AbortSignal.timeout(1_000) }).catch(() => "none"),
    );
    equal((await Promise.all(messages)).sort(), ["news", "news", "news", "none"]);
  }),

  define("a server that reads nothing pauses its client, and loses nothing when it reads on", async (stage) => {
    const conn = stage.client({ outbox: { maxBytes: 2 ** 30 } });
    const served = await stage.conn();
    const messages = 400;
    for (let i = 0; i < messages; i++) conn.send(new Uint8Array(100_000).fill(i & 255));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { bytes } = served.stats.inbox;
    ok(bytes < 8_000_000, `The inbox of the server holds ${bytes} bytes.`);
    equal(served.state, "open");
    const firsts: number[] = [];
    for (let i = 0; i < messages; i++) firsts.push(((await served.receive()) as Uint8Array)[50_000] as number);
    equal(
      firsts,
      Array.from({ length: messages }, (_, i) => i & 255),
    );
  }),

  define(
    "a session brings each message exactly once and in order, both ways, across drops",
    async (stage) => {
      const { url, cut } = await stage.relay();
      const conn = stage.client({ resume: stage.env.resume() }, url);
      const texts = numbered(400);
      const resumed: boolean[] = [];
      conn.on("open", (info) => resumed.push(info.resumed));
      await conn.ready();
      for (let i = 0; i < 4; i++) {
        for (const text of texts.slice(i * 100, i * 100 + 100)) conn.send(text);
        if (i === 3) break;
        await new Promise((resolve) => setTimeout(resolve, 10 * i));
        cut();
        await until("it is back", () => resumed.length === i + 2 && conn.state === "open");
      }
      equal(await received(conn, 400), texts);
      equal([resumed, stage.conns.length], [[false, true, true, true], 1]);
      matches(await conn.close(), { clean: true, unsent: [], inDoubt: [] });
      matches(await (await stage.conn()).closed, { clean: true, by: "peer", unsent: [], inDoubt: [] });
    },
    { serve: echo, resume: {} },
  ),

  define(
    "a session waits for its client for ttlMs, and no longer",
    async (stage) => {
      const { url, cut } = await stage.relay();
      const conn = stage.client({ resume: stage.env.resume(), backoff: () => 60_000 }, url);
      await conn.ready();
      const served = await stage.conn();
      cut();
      await until("the server waits", () => served.state === "waiting");
      served.send("for later");
      matches(await served.closed, { by: "gave-up", unsent: ["for later"] });
    },
    { resume: { ttlMs: 300 } },
  ),

  define(
    "a shutdown sends 1001, takes no more clients and resolves",
    async (stage) => {
      const conn = stage.client({ maxRetries: 0 });
      await conn.ready();
      const end = new Promise<{ readonly code: number }>((resolve) => conn.on("disconnected", resolve));
      await stage.served.shutdown({ timeoutMs: 2_000 });
      equal((await end).code, 1001);
      equal(await (await stage.raw()).status(), 503);
      equal(stage.served.conns.size, 0);
    },
    { serve: echo },
  ),

  define(
    "admission lets in as many as it may, and asks the rest to wait",
    async (stage) => {
      equal(await (await stage.raw()).status(), 101);
      const second = await stage.raw();
      equal(await second.status(), 503);
    },
    { admission: { perSecond: 1, burst: 1 } },
  ),
];
