import type * as Fake from "../../src/testing/fake/index.ts";
import type { Log, Urls } from "./case-context.ts";

type FakeServer = Fake.FakeServer<string | Uint8Array>;
type FakeConnection = Fake.FakeConnection<string | Uint8Array, string | Uint8Array>;

export interface FakePeer extends Urls {
  readonly WebSocket: Fake.FakeWebSocketClass;
  /** Answers as the HTTP side of the contract server does: see `Stage.log()`. */
  ask(url: string): Promise<Log>;
}

/** The record of the connections with one id. */
interface Entry {
  readonly live: Set<FakeConnection>;
  readonly log: Omit<Log, "live">;
}

const HOSTS = { base: "fake.test", never: "never.test", refused: "refused.test" };

/** The peer of the contract on fake servers: the same paths as in `server.ts`. */
export function fakePeer(fakeServer: typeof Fake.fakeServer): FakePeer {
  const entries = new Map<string, Entry>();
  const sessions = fakeServer({ resume: true });
  serveForEver(sessions, "/resume");

  function entryOf(url: string): Entry {
    const id = new URL(url).searchParams.get("id") ?? "";
    const entry = entries.get(id) ?? {
      live: new Set(),
      log: { upgrades: 0, opened: 0, texts: [], bytes: 0, closes: [], headers: {} },
    };
    entries.set(id, entry);
    return entry;
  }

  async function serveForEver(server: FakeServer, path: string): Promise<void> {
    for (;;) serve(await server.next(), path);
  }

  async function serve(connection: FakeConnection, path: string): Promise<void> {
    const { live, log } = entryOf(connection.url);
    // On /resume `opened` counts the sessions.
    if (!connection.resumed) log.opened++;
    live.add(connection);
    log.headers = { "sec-websocket-protocol": connection.offered.join() };
    connection.closed.then(({ code, reason }) => {
      live.delete(connection);
      log.closes.push({ code, reason });
    });
    PATHS[path]?.(connection);
    const query = new URL(connection.url).searchParams;
    let left = Number(query.get("after"));
    if (path === "/drop" && left === 0) connection.drop();
    for (;;) {
      const message = await connection.receive().catch(() => undefined);
      if (message === undefined) return;
      log.bytes += typeof message === "string" ? new TextEncoder().encode(message).length : message.length;
      if (typeof message === "string" && message.length < 100) log.texts.push(message);
      if (path === "/drop" && --left <= 0) connection.drop();
      // With resume what is sent on a connection that has ended goes out on the next.
      if (path === "/resume" || (ECHOES.has(path) && connection.isOpen)) connection.send(message);
    }
  }

  /** A server for the path of `url`, of which the first `times` dials get the path's treatment. */
  function serverFor(url: URL): FakeServer {
    const { host, pathname, searchParams: query } = url;
    if (host !== HOSTS.base) {
      const nobody = fakeServer();
      nobody.refuse(host === HOSTS.never ? "hang" : "network");
      return nobody;
    }
    const { log } = entryOf(url.href);
    if (pathname === "/resume") return sessions;
    const isTreated = log.upgrades < Number(query.get("times") ?? Number.POSITIVE_INFINITY);
    const path = isTreated ? pathname : "/echo";
    const select = query.get("select");
    const server = fakeServer({ protocols: select ? [select] : [] });
    if (path === "/status") server.refuse(Number(query.get("code")));
    server.next().then((connection) => serve(connection, path));
    return server;
  }

  const anybody = fakeServer();
  const Router = new Proxy(anybody.WebSocket, {
    construct(target, args, newTarget) {
      if (!URL.canParse(args[0])) return Reflect.construct(target, args);
      const url = new URL(args[0]);
      const socket = Reflect.construct(serverFor(url).WebSocket, args, newTarget);
      if (url.host === HOSTS.base) entryOf(url.href).log.upgrades++;
      return socket;
    },
  });

  return {
    ...HOSTS,
    secure: false,
    WebSocket: Router,
    async ask(url) {
      // The log is complete when all microtasks have run.
      await new Promise((resolve) => setTimeout(resolve, 0));
      const { live, log } = entryOf(url);
      const { pathname } = new URL(url);
      if (pathname === "/drop") for (const connection of live) connection.drop();
      if (pathname === "/read") for (const connection of live) connection.heal();
      return structuredClone({ ...log, live: live.size });
    },
  };
}

const ECHOES = new Set(["/echo", "/protocol", "/first-message", "/large"]);

const PATHS: Readonly<Record<string, (connection: FakeConnection) => void>> = {
  "/close"(connection) {
    const query = new URL(connection.url).searchParams;
    for (let i = 0; i < Number(query.get("say")); i++) connection.send(`last ${i}`);
    connection.close(Number(query.get("code")), query.get("reason") ?? "");
  },
  "/silent": (connection) => connection.stall(),
  "/linger"(connection) {
    connection.stall();
    connection.close();
  },
  "/stall": (connection) => connection.stall(),
  "/first-message"(connection) {
    const count = Number(new URL(connection.url).searchParams.get("count"));
    for (let i = 0; i < count; i++) connection.send(`first ${i}`);
  },
  "/large"(connection) {
    connection.send(new Uint8Array(Number(new URL(connection.url).searchParams.get("bytes"))));
  },
};
