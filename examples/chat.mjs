// A chat with its page: node chat.mjs, then open http://127.0.0.1:8080/ in two tabs.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { json } from "tautline";
import { handle, handler } from "tautline/server";

const PAGE = `<!doctype html><title>chat</title>
<form><input name="text" autocomplete="off" autofocus><button>Send</button></form>
<output></output><ul></ul>
<script src="/tautline.min.js"></script>
<script>
  const { Conn, json } = Tautline;
  const find = (name) => document.querySelector(name);
  const conn = new Conn("/chat", { codec: json() });
  conn.on("state", ({ to }) => { find("output").textContent = to; });
  conn.on("message", ({ text }) => find("ul").append(Object.assign(document.createElement("li"), { textContent: text })));
  find("form").onsubmit = (event) => {
    event.preventDefault();
    conn.send({ text: find("input").value });
    event.target.reset();
  };
</script>`;
const script = createRequire(import.meta.url)
  .resolve("tautline/package.json")
  .replace("package.json", "dist/tautline.min.js");

const server = createServer((request, response) => {
  const isScript = request.url === "/tautline.min.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html; charset=utf-8");
  response.end(isScript ? readFileSync(script) : PAGE);
});
const lines = [];
const chat = handler(
  async (conn) => {
    for (const line of lines) conn.send(line);
    for await (const { text } of conn) {
      const line = { text: String(text).slice(0, 500) };
      lines.push(line);
      if (lines.length > 100) lines.shift();
      for (const other of chat.conns) other.send(line);
    }
  },
  { codec: json(), maxPayloadBytes: 4096 },
);
handle(server, "/chat", chat);
server.listen(process.env.PORT ?? 8080, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
