// A chat: npm install && npm start, then open the address in two tabs. A line that is written while the network is down is not lost.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { json } from "tautline";
import { hub } from "tautline/hub";
import { RpcError, rpc } from "tautline/rpc";
import { handle, handler } from "tautline/server";

// A channel keeps the last hundred lines: for those who come later, and for those who were away.
const topics = hub({
  channels: { chat: { history: { size: 100, ttlMs: 3_600_000 } } },
  authorize: ({ action }) => action === "subscribe",
});

/** Clients speak by this call, so that the server decides what a line is. The id makes a repeated call harmless. */
async function say({ id, text }) {
  if (typeof id !== "string" || typeof text !== "string") throw new RpcError(-32602, "expected { id, text }");
  await topics.publish("chat", { text: text.slice(0, 500) }, { id });
}

const chat = handler((conn) => topics.serve(rpc(conn, { handlers: { say } })), {
  codec: json(),
  maxPayloadBytes: 4_096,
});

const page = readFileSync(new URL("page.html", import.meta.url));
const build = join(dirname(createRequire(import.meta.url).resolve("tautline/package.json")), "dist/browser");
const server = createServer((request, response) => {
  const [, module] = /^\/package\/([\w/-]+\.mjs)$/.exec(request.url) ?? [];
  response.setHeader("content-type", module ? "text/javascript" : "text/html; charset=utf-8");
  response.end(module ? readFileSync(join(build, module)) : page);
});
handle(server, "/chat", chat);
server.listen(process.env.PORT ?? 8080, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
