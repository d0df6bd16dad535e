// Clients that speak resume and never answer its greeting, in a heap of their own.
import { once } from "node:events";
import { connect } from "node:net";
import { parentPort } from "node:worker_threads";

const sockets = [];
const [{ port, count }] = await once(parentPort, "message");
const request = [
  "GET / HTTP/1.1",
  `Host: 127.0.0.1:${port}`,
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: resume.v1",
  "\r\n",
].join("\r\n");
while (sockets.length < count) {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  sockets.push(socket);
  socket.write(request);
  await once(socket, "data");
}
parentPort.postMessage("greeted");
// Until the worker is ended.
setInterval(() => {}, 60_000);
