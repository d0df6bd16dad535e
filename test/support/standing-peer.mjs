// A server in a thread of its own: it receives while the thread of the test stands still. `counts` holds the messages heard
// and the words said; a message of the test's is said to every client.
import { parentPort, workerData } from "node:worker_threads";
import { WebSocketServer } from "ws";

const [HEARD, SAID] = [0, 1];
const counts = new Int32Array(workerData);
const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });

function count(which) {
  Atomics.add(counts, which, 1);
  Atomics.notify(counts, which);
}

server.on("connection", (socket) => socket.on("message", () => count(HEARD)));
server.on("listening", () => parentPort.postMessage(server.address().port));
parentPort.on("message", (word) => {
  for (const socket of server.clients) socket.send(word);
  count(SAID);
});
