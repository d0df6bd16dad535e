// The server of the room, and of its page, which it bundles at its start: npm install && npm start
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { json } from "tautline";
import { hub } from "tautline/hub";
import { rpc } from "tautline/rpc";
import { handle, handler } from "tautline/server";

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("app.tsx", import.meta.url))],
  bundle: true,
  write: false,
  minify: true,
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
});
const page =
  '<!doctype html><html lang="en"><title>room</title><div id="root"></div><script src="/app.js"></script></html>';

const topics = hub({
  channels: { chat: { history: { size: 100, ttlMs: 3_600_000 } } },
  authorize: ({ action }) => action === "subscribe",
});
const say = async ({ id, text }) => void (await topics.publish("chat", { text: String(text).slice(0, 500) }, { id }));
const chat = handler((conn) => topics.serve(rpc(conn, { handlers: { say } })), { codec: json() });

const server = createServer(({ url }, response) => {
  response.setHeader("content-type", url === "/app.js" ? "text/javascript" : "text/html; charset=utf-8");
  response.end(url === "/app.js" ? outputFiles[0].text : page);
});
handle(server, "/chat", chat);
server.listen(process.env.PORT ?? 8080, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
