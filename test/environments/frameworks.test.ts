// @vitest-environment happy-dom
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { Conn, json } from "../../src/index.ts";
import { resume } from "../../src/resume/client/index.ts";
import { handler } from "../../src/server/index.ts";
import { fakeServer } from "../../src/testing/fake/index.ts";

// The frameworks have a manifest of their own: what the compiler knows of them is only what is said here.
const load = createRequire(import.meta.url);

/** Ways in which users put a Conn into the state of a component. */
const ways: Record<string, (conn: Conn<string>) => Promise<Conn<string>> | Conn<string>> = {
  "Vue's ref()": (conn) => load("vue").ref(conn).value,
  "Vue's reactive()": (conn) => load("vue").reactive({ conn }).conn,
  "Vue's readonly()": (conn) => load("vue").readonly({ conn }).conn,
  "the data() of a component of Vue": (conn) => {
    const { createApp } = load("vue");
    const app = createApp({ data: () => ({ conn }), template: "<p></p>", render: () => null });
    return app.mount(document.createElement("div")).conn;
  },
  "the x-data of Alpine": async (conn) => {
    const { default: Alpine } = await import(load.resolve("alpinejs/dist/module.esm.js"));
    return Alpine.reactive({ conn }).conn;
  },
  "Svelte's $state()": async (conn) => {
    const { proxy } = await import(load.resolve("svelte/internal/client"));
    return proxy({ conn }).conn;
  },
  "a plain Proxy": (conn) => new Proxy(conn, {}),
};

test.each(Object.keys(ways))("a Conn works out of %s", async (name) => {
  const server = fakeServer<string, string>({ codec: json(), resume: true });
  const made = new Conn<string>("wss://example.com/", { codec: json(), resume: resume(), WebSocket: server.WebSocket });
  const conn = (await ways[name]?.(made)) as Conn<string>;
  const messages: string[] = [];
  conn.on("message", (message) => messages.push(message));
  const line = await server.next();
  await conn.send("up", { confirm: true });
  line.send("down");
  await expect.poll(() => messages).toEqual(["down"]);
  expect(line.received).toEqual(["up"]);
  expect([conn.state, conn.stats.sent]).toEqual(["open", 1]);
  expect(await conn.close()).toMatchObject({ code: 1000, by: "local" });
});

test("a handler is shut down in time where the DOM's AbortSignal is another than Node's", async () => {
  await expect(handler(() => {}).shutdown({ timeoutMs: 50 })).resolves.toBeUndefined();
});
