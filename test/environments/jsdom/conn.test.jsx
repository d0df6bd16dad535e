// What a front end's own tests do, under jest with jsdom: a component that holds a Conn.
import { act, render, screen } from "@testing-library/react";
import { createElement as h, useEffect, useState } from "react";
import { bytes, Conn, json } from "tautline";

/** A server that echoes, behind the platform's interface. */
class EchoSocket {
  readyState = 0;
  bufferedAmount = 0;
  protocol = "";
  extensions = "";

  constructor() {
    queueMicrotask(() => {
      this.readyState = 1;
      this.onopen({});
    });
  }

  send(data) {
    queueMicrotask(() => this.onmessage({ data: typeof data === "string" ? data : data.slice().buffer }));
  }

  close(code = 1005, reason = "") {
    this.readyState = 3;
    queueMicrotask(() => this.onclose({ code, reason, wasClean: true }));
  }
}

function Chat({ conn }) {
  const [lines, setLines] = useState([]);
  useEffect(() => conn.on("message", (line) => setLines((all) => [...all, line])), [conn]);
  return h("p", null, lines.join(" "));
}

test("a component shows what comes, and the Conn closes with a reason", async () => {
  const conn = new Conn("/live", { codec: json(), WebSocket: EchoSocket });
  expect(conn.url).toBe("ws://localhost/live");
  render(h(Chat, { conn }));
  await act(() => conn.send("hello"));
  await act(async () => {});
  expect(screen.getByText("hello")).toBeTruthy();
  expect(await conn.close(1000, "done")).toMatchObject({ code: 1000, reason: "done", by: "local" });
});

test.each([
  ["a Buffer, whose class is of another realm", () => Buffer.from([1, 2, 3])],
  ["a Uint8Array of the page's realm", () => new Uint8Array([1, 2, 3])],
])("%s is sent as bytes", async (_name, make) => {
  const conn = new Conn("/live", { codec: bytes, WebSocket: EchoSocket });
  await conn.send(make());
  expect([...(await conn.receive())]).toEqual([1, 2, 3]);
  await conn.close();
});
