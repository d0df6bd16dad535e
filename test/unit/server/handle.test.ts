import type { IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { handle, handler } from "../../../src/server/index.ts";
import { certificate } from "../../runtimes/certificate.ts";
import { CONN_CLOCK } from "../../support/fake-time.ts";
import { dial, rawSocket, site, statusOf, until, upgradeRequest } from "../../support/ws-server.ts";

/** Sends its name, so that it is known who serves. */
const named = (name: string) => handler((conn) => void conn.send(name));

/** Another library's listener for upgrades, which serves one path by its own means. */
function other(path: string): (request: IncomingMessage, socket: Duplex) => void {
  return ({ url }, socket) => {
    if (url === path) socket.end("HTTP/1.1 418 Teapot\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  };
}

async function greeting(url: string): Promise<unknown> {
  const { received } = await dial(url);
  return until(() => {
    expect(received).toHaveLength(1);
    return received[0];
  });
}

test("serves its path, whatever the query", async () => {
  const { url } = await site((server) => handle(server, "/ws", named("ws")));
  expect(await greeting(url("/ws"))).toBe("ws");
  expect(await greeting(url("/ws?path=/other#"))).toBe("ws");
});

test("answers 404 to every other path where no other listener for upgrades exists", async () => {
  const { url } = await site((server) => handle(server, "/ws", named("ws")));
  for (const path of ["/", "/ws/", "/ws/more", "/WS", "/other?/ws"]) {
    expect(await statusOf(url(path))).toBe(404);
  }
});

test("leaves a path that it does not serve to other listeners", async () => {
  for (const isFirst of [true, false]) {
    const { url, port } = await site((server) => {
      if (isFirst) server.on("upgrade", other("/theirs"));
      handle(server, "/ws", named("ws"));
      if (!isFirst) server.on("upgrade", other("/theirs"));
    });
    expect(await statusOf(url("/theirs"))).toBe(418);
    expect(await greeting(url("/ws"))).toBe("ws");
    // A path that neither serves stays unanswered: it may be that of a listener that takes its time.
    const client = rawSocket(port, upgradeRequest("/nobody"));
    await greeting(url("/ws"));
    expect([client.input(), client.isClosed()]).toEqual(["", false]);
  }
});

test("survives the reset of an upgrade that no listener answers", async () => {
  const ended: unknown[] = [];
  const { url, port } = await site((server) => {
    handle(server, "/ws", named("ws"));
    server.on("upgrade", ({ url: path }, socket) => {
      if (path !== "/nobody") return;
      socket.on("close", () => ended.push(path));
      socket.resume();
    });
  });
  const { socket } = rawSocket(port, upgradeRequest("/nobody"));
  await greeting(url("/ws"));
  socket.resetAndDestroy();
  await until(() => expect(ended).toEqual(["/nobody"]));
  expect(await greeting(url("/ws"))).toBe("ws");
});

test("leaves plain requests to the server", async () => {
  const { port } = await site((server) => handle(server, "/ws", named("ws")));
  const response = await fetch(`http://127.0.0.1:${port}/ws`);
  expect([response.status, await response.text()]).toEqual([200, "plain"]);
});

test("serves several paths of one server by several handlers", async () => {
  const { server, url } = await site((server) => {
    handle(server, "/one", named("one"));
    handle(server, "/two", named("two"));
  });
  expect([await greeting(url("/one")), await greeting(url("/two"))]).toEqual(["one", "two"]);
  expect(await statusOf(url("/three"))).toBe(404);
  expect(server.listenerCount("upgrade")).toBe(1);
});

test("serves two servers by one handler", async () => {
  const both = named("both");
  const sites = [
    await site((server) => handle(server, "/a", both)),
    await site((server) => handle(server, "/b", both)),
  ];
  expect(await Promise.all([greeting(sites[0]?.url("/a") ?? ""), greeting(sites[1]?.url("/b") ?? "")])).toEqual([
    "both",
    "both",
  ]);
  expect(both.conns.size).toBe(2);
  expect(await statusOf(sites[0]?.url("/b") ?? "")).toBe(404);
});

test("stops accepting when undone, and ends no Conn", async () => {
  const ws = handler(async (conn) => {
    for await (const message of conn) conn.send(message);
  });
  let undo = () => {};
  const { server, url } = await site((server) => {
    undo = handle(server, "/ws", ws);
    handle(server, "/stays", named("stays"));
  });
  const { socket, received } = await dial(url("/ws"));
  undo();
  expect(await statusOf(url("/ws"))).toBe(404);
  expect(await greeting(url("/stays"))).toBe("stays");
  socket.send("still here");
  await until(() => expect(received).toEqual(["still here"]));
  expect(server.listenerCount("upgrade")).toBe(1);
});

test("is undone once: a handler that took the path over since stays", async () => {
  const { url } = await site((server) => {
    handle(server, "/stays", named("stays"));
    const undo = handle(server, "/ws", named("first"));
    undo();
    handle(server, "/ws", named("second"));
    undo();
  });
  expect(await greeting(url("/ws"))).toBe("second");
});

test("leaves nothing on the server when every path is undone, and can begin again", async () => {
  let undo: (() => void)[] = [];
  const { server, url } = await site((server) => {
    undo = [handle(server, "/one", named("one")), handle(server, "/two", named("two"))];
  });
  for (const each of undo) each();
  expect(server.listenerCount("upgrade")).toBe(0);
  handle(server, "/two", named("again"));
  // An old undo is done with.
  undo[1]?.();
  expect(await greeting(url("/two"))).toBe("again");
});

test("throws misuse for a path that is served already, which goes on", async () => {
  const { server, url } = await site((server) => handle(server, "/ws", named("first")));
  expect(() => handle(server, "/ws", named("second"))).toThrowError(expect.objectContaining({ code: "misuse" }));
  expect(await greeting(url("/ws"))).toBe("first");
});

test.each(["/a b", "/ws?x", "/ws#x", "/a/../b", "/bücher", "//ws"])(
  "throws bad-option for %s, which no request asks for",
  async (path) => {
    const { server } = await site();
    expect(() => handle(server, path, named("ws"))).toThrowError(expect.objectContaining({ code: "bad-option" }));
    expect(server.listenerCount("upgrade")).toBe(0);
  },
);

// An app of Express is a function with the methods of an EventEmitter, and no server: no upgrade would ever come.
test.each([
  ["an app of Express", Object.assign(() => {}, { on() {}, off() {}, listeners: () => [] }), "a function"],
  ["an object without on()", {}, "an object"],
  ["nothing", undefined, "undefined"],
])("throws bad-option for %s in place of the server", (_name, server, got) => {
  const message = `server must be a server of node:http or node:https, such as createServer(app); got ${got}.`;
  expect(() => handle(server as never, "/ws", named("ws"))).toThrowError(
    expect.objectContaining({ code: "bad-option", message }),
  );
});

test("throws bad-option for something that is no handler", async () => {
  const { server } = await site();
  for (const given of [undefined, {}, () => {}]) {
    expect(() => handle(server, "/ws", given as never)).toThrowError(expect.objectContaining({ code: "bad-option" }));
  }
});

test("throws bad-option for a path without a leading slash", async () => {
  const { server } = await site();
  for (const path of ["", "ws", "ws://127.0.0.1/ws"]) {
    expect(() => handle(server, path, named("ws"))).toThrowError(expect.objectContaining({ code: "bad-option" }));
  }
  expect(server.listenerCount("upgrade")).toBe(0);
});

describe("an ordinary request that offers an upgrade to another protocol", () => {
  const h2c = { Upgrade: "h2c", Connection: "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAoAAA" };

  /** A server that answers with what it was asked, and the pieces in which bodies came. */
  async function echoServer() {
    const pieces: string[] = [];
    const all = await site((server) => {
      server.removeAllListeners("request");
      server.on("request", async (request, response) => {
        let body = "";
        for await (const chunk of request) {
          body += chunk;
          pieces.push(String(chunk));
        }
        const { method, url, headers } = request;
        response.end(
          JSON.stringify({ method, url, body, upgrade: headers.upgrade, settings: headers["http2-settings"] }),
        );
      });
      handle(server, "/ws", named("ws"));
    });
    return { ...all, pieces };
  }

  test.each(["/ws", "/page?a=1"])("gets an ordinary answer: %s", async (path) => {
    const { port, url } = await echoServer();
    const { input } = rawSocket(port, upgradeRequest(path, { ...h2c, Connection: "Upgrade, HTTP2-Settings, close" }));
    await until(() => expect(input()).toContain(JSON.stringify({ method: "GET", url: path, body: "" })));
    expect(input()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(await greeting(url("/ws"))).toBe("ws");
  });

  test("keeps its body, which comes in pieces, and its connection for the next request", async () => {
    const { port, pieces } = await echoServer();
    const body = { "Content-Length": "10", "Sec-WebSocket-Key": undefined };
    const head = upgradeRequest("/form", { ...h2c, ...body }).replace("GET", "POST");
    const { input, socket } = rawSocket(port, `${head}one,`);
    await until(() => expect(pieces).toEqual(["one,"]));
    socket.write("two,");
    await until(() => expect(pieces).toEqual(["one,", "two,"]));
    socket.write("33");
    await until(() => expect(input()).toContain('{"method":"POST","url":"/form","body":"one,two,33"}'));
    socket.write(upgradeRequest("/next", h2c));
    await until(() => expect(input()).toContain('{"method":"GET","url":"/next","body":""}'));
    socket.write("GET /last HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => expect(input()).toContain('{"method":"GET","url":"/last","body":""}'));
  });

  test("gets an ordinary answer over TLS", async () => {
    const { key, cert } = certificate() ?? {};
    const server = createTlsServer({ ...(key !== undefined && { key, cert }) }, (_request, response) =>
      response.end("plain"),
    );
    onTestFinished(() => void server.close());
    handle(server, "/ws", named("ws"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    onTestFinished(() => void socket.destroy());
    let input = "";
    socket.on("data", (chunk) => {
      input += chunk;
    });
    socket.write(upgradeRequest("/page", h2c));
    await until(() => expect(input).toContain("plain"));
    expect(input).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  test("is left to others that listen for upgrades", async () => {
    const { port } = await site((server) => {
      handle(server, "/ws", named("ws"));
      server.on("upgrade", other("/h2c"));
    });
    const { input } = rawSocket(port, upgradeRequest("/h2c", h2c));
    await until(() => expect(input()).toMatch(/^HTTP\/1\.1 418 /));
  });
});

describe("an upgrade that no listener answers", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("is ended after 10 s, unless somebody has written to it", async () => {
    vi.useFakeTimers(CONN_CLOCK);
    const seen: unknown[] = [];
    const { port } = await site((server) => {
      handle(server, "/ws", named("ws"));
      server.on("upgrade", ({ url }, socket) => {
        seen.push(url);
        if (url === "/slow") socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      });
    });
    const unserved = rawSocket(port, upgradeRequest("/unserved"));
    const slow = rawSocket(port, upgradeRequest("/slow"));
    await until(() => expect([...seen].sort()).toEqual(["/slow", "/unserved"]));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(unserved.input()).toBe("");
    await vi.advanceTimersByTimeAsync(1);
    vi.useRealTimers();
    await until(() => expect(unserved.isClosed()).toBe(true));
    expect(unserved.input()).toMatch(/^HTTP\/1\.1 404 /);
    expect([slow.input(), slow.isClosed()]).toEqual(["HTTP/1.1 101 Switching Protocols\r\n\r\n", false]);
  });
});

describe("a plain request", () => {
  test.each([
    ["/ws", 426, "websocket"],
    ["/ws?room=1", 426, "websocket"],
    ["/other", 404, null],
  ])("to %s is answered with %i where no other listener for requests exists", async (path, status, upgrade) => {
    const { port } = await site((server) => {
      server.removeAllListeners("request");
      handle(server, "/ws", named("ws"));
    });
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    expect([response.status, response.headers.get("upgrade")]).toEqual([status, upgrade]);
  });

  test("is left to a listener that comes later, and to one that wraps the others", async () => {
    const { port } = await site((server) => {
      server.removeAllListeners("request");
      handle(server, "/ws", named("ws"));
      const wrapped = server.listeners("request");
      server.removeAllListeners("request");
      server.on("request", (request, response) => {
        for (const listener of wrapped) listener.call(server, request, response);
        response.end("theirs");
      });
    });
    const response = await fetch(`http://127.0.0.1:${port}/ws`);
    expect([response.status, await response.text()]).toEqual([200, "theirs"]);
  });
});
