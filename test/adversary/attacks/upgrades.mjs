// Before anybody is let in: upgrades that are wrong, slow, many, or gone in the middle.
import { setTimeout as pause } from "node:timers/promises";
import { tcp, upgradeHead } from "../raw-client.mjs";

const pick = (items) => items[Math.floor(Math.random() * items.length)];

async function each(isOver, spent, atOnce, act) {
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (!isOver()) {
        spent.connections++;
        await act();
      }
    }),
  );
}

const HEADERS = [
  { "Sec-WebSocket-Version": "7" },
  { "Sec-WebSocket-Key": "short" },
  { Upgrade: "h2c" },
  { Upgrade: "websocket, h2c" },
  { Upgrade: "" },
  { Host: "" },
  { Host: "a b" },
  { Origin: "null" },
  { Origin: "https://elsewhere.example" },
  { Origin: "javascript:alert(1)" },
  { "Sec-WebSocket-Protocol": "resume.v1,,," },
  { "Sec-WebSocket-Protocol": Array.from({ length: 200 }, (_, n) => `p${n}`).join(", ") },
  { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=99" },
  { "Content-Length": "100" },
  { "Transfer-Encoding": "chunked" },
];

export const upgrades = {
  "upgrades that are wrong in each way": (port, isOver, spent) =>
    each(isOver, spent, 10, async () => {
      const socket = await tcp(port);
      const head = upgradeHead(port, {
        path: pick(["/echo", "/none", "/admission", "/echo?%", "/%00", "//", "*"]),
        headers: pick(HEADERS),
      });
      spent.bytes += head.length;
      socket.write(head);
      await pause(Math.random() * 20);
      socket.destroy();
    }),
  "heads that never end": (port, isOver, spent) =>
    each(isOver, spent, 50, async () => {
      const socket = await tcp(port);
      socket.write("GET /echo HTTP/1.1\r\nHost: x\r\n");
      for (let n = 0; n < 20 && !isOver() && !socket.destroyed; n++) {
        socket.write(`X-${n}: y\r\n`);
        spent.bytes += 8;
        await pause(50);
      }
      socket.destroy();
    }),
  "resets while the server authenticates": (port, isOver, spent) =>
    each(isOver, spent, 30, async () => {
      const socket = await tcp(port);
      const head = upgradeHead(port, { path: "/login" });
      spent.bytes += head.length;
      socket.write(head);
      await pause(Math.random() * 250);
      if (!socket.destroyed) socket.resetAndDestroy();
    }),
  "paths that nobody serves": (port, isOver, spent) =>
    each(isOver, spent, 30, async () => {
      const socket = await tcp(port);
      const head = upgradeHead(port, { path: `/${Math.random()}` });
      spent.bytes += head.length;
      socket.write(head);
      await pause(30);
      socket.destroy();
    }),
  "a crowd at the gate of admission": (port, isOver, spent) =>
    each(isOver, spent, 20, async () => {
      const socket = await tcp(port);
      const head = upgradeHead(port, { path: "/admission", headers: { Origin: `http://127.0.0.1:${port}` } });
      spent.bytes += head.length;
      socket.write(head);
      await pause(5);
      socket.destroy();
    }),
};
