// A service that follows a chat and survives everything: npm install && npm start -- ws://127.0.0.1:8080/chat
import { Conn, json } from "tautline";
import { channels } from "tautline/channels";

const url = process.argv[2] ?? "ws://127.0.0.1:8080/chat";
let token = process.env.TOKEN ?? "a-token";

const conn = new Conn(url, {
  codec: json(),
  headers: async ({ previous }) => {
    // A server that refuses the token is asked once more, with a new one.
    if (previous?.status === 401) token = await renew(token);
    return { authorization: `Bearer ${token}` };
  },
  giveUpAfterMs: 15 * 60_000,
});
const room = channels(conn).subscribe("chat", { from: { last: 10 } });

conn.on("open", ({ attempt, downMs }) => console.log("open", { attempt, downMs: Math.round(downMs) }));
conn.on("disconnected", ({ code, status, willRetry }) => console.log("disconnected", { code, status, willRetry }));
// The server's log does not reach back: it was away for too long, or has begun anew.
room.on("gap", () => console.log("gap: some messages were missed"));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => conn.close());

try {
  for await (const { data } of room) console.log("message", JSON.stringify(data));
} catch (error) {
  process.exitCode = 1;
  console.error(`Ended: ${error.message}`);
}
const { by, unsent } = await conn.closed;
console.log("closed", { by, unsent: unsent.length });

async function renew(old) {
  return `${old}-renewed`;
}
