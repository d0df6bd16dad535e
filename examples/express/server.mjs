// Express and a WebSocket on one port, with a login by cookie: npm install && npm start
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import express from "express";
import { json } from "tautline";
import { handle, handler } from "tautline/server";

const users = new Map();
const userOf = ({ headers }) => users.get(/(?:^|; )session=([\w-]+)/.exec(headers.cookie ?? "")?.[1]);

const app = express();
app.get("/", (_request, response) =>
  response.type("text").send("Log in by POST /login/<name>, then dial /websocket.\n"),
);
app.post("/login/:name", (request, response) => {
  const session = randomUUID();
  users.set(session, request.params.name);
  response.cookie("session", session, { httpOnly: true, sameSite: "strict" }).send("welcome");
});
app.get("/online", (_request, response) => response.json(Array.from(served.conns, ({ request }) => userOf(request))));

// Middleware does not run for upgrades, so the handler reads the cookie itself.
const served = handler(
  async (conn, request) => {
    const user = userOf(request);
    if (!user) return conn.close(4401, "log in first");
    await conn.send({ hello: user });
    for await (const message of conn) await conn.send({ user, message });
  },
  { codec: json() },
);

const server = createServer(app);
handle(server, "/websocket", served);
server.listen(process.env.PORT ?? 8080, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));

process.once("SIGTERM", async () => {
  server.close();
  await served.shutdown({ timeoutMs: 1_000 });
  server.closeAllConnections();
});
