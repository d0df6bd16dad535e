import { expect, test } from "vitest";
import { Conn } from "../../../src/index.ts";
import { openConn, useFakeTime } from "../../support/conn.ts";

useFakeTime();

test("every member of a Conn works on a proxy around it, as reactive frameworks make one", async () => {
  const { conn, socket } = await openConn();
  const proxy = new Proxy(conn, {});
  const messages: unknown[] = [];
  const off = proxy.on("message", (message) => messages.push(message));
  socket.message("in");
  await proxy.send("out");
  off();
  expect(messages).toEqual(["in"]);
  expect(socket.sent).toEqual(["out"]);
  for (const name of Object.getOwnPropertyNames(Conn.prototype) as (keyof Conn)[]) {
    if (name === ("constructor" as string)) continue;
    expect(Reflect.get(proxy, name, proxy), String(name)).toEqual(conn[name]);
  }
  const closed = proxy.close();
  socket.drop(1000, "", true);
  expect(await closed).toMatchObject({ code: 1000, by: "local" });
});

test("a Conn has a tag of its own, by which Vue leaves it alone", async () => {
  const { conn } = await openConn();
  expect(Object.prototype.toString.call(conn)).toBe("[object Conn]");
});
