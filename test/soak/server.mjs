// A server for the flow tests: /flood?count=&bytes= sends that many messages and closes, /echo sends back what comes.
import { createServer } from "node:http";
import { bytes, readable, writable } from "tautline";
import { handle, handler } from "tautline/server";

const heartbeat = { intervalMs: 1_000, timeoutMs: 1_000 };
const server = createServer();
const flood = handler(
  async (conn, request) => {
    const { searchParams } = new URL(request.url, "ws://127.0.0.1");
    const chunk = new Uint8Array(Number(searchParams.get("bytes")));
    for (let n = 0; n < Number(searchParams.get("count")); n++) await conn.send(chunk);
  },
  { codec: bytes, heartbeat },
);
const echo = handler((conn) => readable(conn).pipeTo(writable(conn)), { codec: bytes, heartbeat });
handle(server, "/flood", flood);
handle(server, "/echo", echo);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
