import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { handle, handler } from "../../../src/server/index.ts";
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

test("throws bad-option for a path without a leading slash", async () => {
  const { server } = await site();
  for (const path of ["", "ws", "ws://127.0.0.1/ws"]) {
    expect(() => handle(server, path, named("ws"))).toThrowError(expect.objectContaining({ code: "bad-option" }));
  }
  expect(server.listenerCount("upgrade")).toBe(0);
});
