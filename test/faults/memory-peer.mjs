// A server in a heap of its own, so that the heap of memory.mjs holds the client alone.
import { parentPort } from "node:worker_threads";
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
server.once("listening", () => parentPort.postMessage(server.address().port));
server.once("connection", (socket) => {
  parentPort.once("message", ({ size, count }) => {
    for (let n = 0; n < count; n++) socket.send(typeof size === "string" ? size : new Uint8Array(size));
  });
});
