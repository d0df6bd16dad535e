// Every JSON value, of every size, at every moment, to every documented way of serving.
import { frame, rawClient } from "../raw-client.mjs";

const PATHS = ["/echo", "/push", "/stream", "/resume/echo", "/resume/push"];
const VALUES = [
  "null",
  "true",
  "0",
  "-0",
  "1e999",
  '""',
  '"\\ud800"',
  "[]",
  "[[[[]]]]",
  "{}",
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{}}}',
  '{"say":null}',
  '{"say":{"then":1}}',
  '{"toJSON":1,"say":[1]}',
  "{",
  "",
  `"${"x".repeat(200_000)}"`,
  `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
  `{"say":${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}}`,
];
const pick = (items) => items[Math.floor(Math.random() * items.length)];

export const values = {
  "every JSON value to every pattern": async (port, isOver, spent) => {
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (!isOver()) {
          spent.connections++;
          const client = await rawClient(port, { path: pick(PATHS), reads: Math.random() < 0.8 });
          for (let n = 0; n < 30 && client.isOpen; n++) {
            const bytes = frame(pick(VALUES));
            spent.bytes += bytes.length;
            await client.write(bytes);
          }
          if (Math.random() < 0.5) client.socket.end();
          else client.socket.resetAndDestroy();
        }
      }),
    );
  },
};
