// A service that consumes a feed and survives everything: node node-client.mjs wss://example.com/feed
import { Conn, json } from "tautline";
import { resume } from "tautline/resume";

const url = process.argv[2] ?? "ws://127.0.0.1:8080/chat";
let token = process.env.TOKEN ?? "a-token";

const conn = new Conn(url, {
  codec: json(),
  resume: resume(),
  headers: async ({ previous }) => {
    // A server that refuses the token is asked once more, with a new one.
    if (previous?.status === 401) token = await renew(token);
    return { authorization: `Bearer ${token}` };
  },
  giveUpAfterMs: 15 * 60_000,
});

conn.on("open", ({ attempt, downMs, resumed }) =>
  console.log("open", { attempt, resumed, downMs: Math.round(downMs) }),
);
conn.on("disconnected", ({ code, status, willRetry }) => console.log("disconnected", { code, status, willRetry }));
conn.on("waiting", ({ delayMs, reason }) => console.log("waiting", { delayMs: Math.round(delayMs), reason }));
conn.on("session-lost", ({ inDoubt }) => console.log("session lost", { inDoubt: inDoubt.length }));
conn.on("error", ({ code, message }) => console.error(code, message));

// A supervisor that stops the service lets it say what it still has to say.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => conn.close());

try {
  for await (const message of conn) console.log("message", JSON.stringify(message));
} catch (error) {
  process.exitCode = 1;
  console.error(`Ended: ${error.message}`);
}
const { by, unsent } = await conn.closed;
console.log("closed", { by, unsent: unsent.length });

async function renew(old) {
  return `${old}-renewed`;
}
