// Bytes of every kind where frames, and frames of every kind where control is due.
import { randomBytes } from "node:crypto";
import { BINARY, CLOSE, frame, MARK, PING, PONG, rawClient, resumingClient } from "../raw-client.mjs";

const pick = (items) => items[Math.floor(Math.random() * items.length)];
const PATHS = ["/echo", "/push", "/ignore", "/stream", "/resume/echo", "/resume/push"];
const TYPES = [..."HNRAXapq?mMze", "", "\u0000", "é"];
const FIELDS = [
  "",
  "0",
  "1",
  "-1",
  "zzzzzzzzzz",
  "zzzzzzzzzzz",
  "a.b",
  `${"x".repeat(64)}.${"y".repeat(64)}`,
  "e",
  "NaN",
  "𝟘",
];

/** A control frame that is nearly right. */
const nearlyControl = () =>
  MARK +
  pick(TYPES) +
  (Math.random() < 0.8
    ? ` ${Array.from({ length: 5 }, () => pick(FIELDS))
        .slice(0, Math.floor(Math.random() * 6))
        .join(" ")}`
    : "");

/** A frame that is right nine times of ten. */
function nearlyFrame() {
  const bytes = frame(randomBytes(pick([0, 3, 125, 126, 1_000])), {
    opcode: pick([1, 2, 2, 2, 0, PING, PONG]),
    fin: Math.random() < 0.9,
  });
  if (Math.random() < 0.1) bytes[pick([0, 1])] ^= 1 << Math.floor(Math.random() * 8);
  return bytes;
}

async function each(isOver, spent, act) {
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!isOver()) {
        spent.connections++;
        await act();
      }
    }),
  );
}

export const frames = {
  "random bytes after the upgrade": (port, isOver, spent) =>
    each(isOver, spent, async () => {
      const client = await rawClient(port, { path: pick(PATHS) });
      const bytes = randomBytes(1 + Math.floor(Math.random() * 2_000));
      spent.bytes += bytes.length;
      await client.write(bytes);
      client.socket.destroy();
    }),
  "whole frames with broken ones among them, cut anywhere": (port, isOver, spent) =>
    each(isOver, spent, async () => {
      const client = await rawClient(port, { path: pick(PATHS) });
      const bytes = Buffer.concat([frame('"first"'), ...Array.from({ length: 20 }, nearlyFrame)]);
      spent.bytes += bytes.length;
      for (let at = 0; at < bytes.length && client.isOpen; ) {
        const length = pick([1, 2, 7, 300, 5_000]);
        await client.write(bytes.subarray(at, at + length));
        at += length;
      }
      client.socket.destroy();
    }),
  "control frames that are nearly right": (port, isOver, spent) =>
    each(isOver, spent, async () => {
      const client = await resumingClient(port, { path: pick(["/resume/echo", "/resume/push", "/resume/ignore"]) });
      if (!client) return;
      if (Math.random() < 0.7) await client.send(`${MARK}N ${pick(["1", "zzzz", "zzzzzzzzzz"])}`);
      for (let n = 0; n < 20 && client.isOpen; n++) {
        const text = Math.random() < 0.3 ? JSON.stringify(n) : nearlyControl();
        spent.bytes += text.length;
        await client.send(text);
      }
      client.socket.destroy();
    }),
  "close frames of every kind": (port, isOver, spent) =>
    each(isOver, spent, async () => {
      const client = await rawClient(port, { path: pick(PATHS) });
      const payload = Buffer.alloc(Math.floor(Math.random() * 126));
      if (payload.length >= 2) payload.writeUInt16BE(Math.floor(Math.random() * 65_536));
      spent.bytes += payload.length;
      await client.send('"before"');
      await client.send(payload, { opcode: CLOSE });
      await client.send('"after"');
      client.socket.destroy();
    }),
  "text that is no UTF-8": (port, isOver, spent) =>
    each(isOver, spent, async () => {
      const client = await rawClient(port, { path: pick(PATHS) });
      const bytes = randomBytes(100);
      spent.bytes += bytes.length;
      await client.write(frame(bytes));
      await client.write(frame(bytes, { opcode: BINARY }));
      client.socket.destroy();
    }),
};
