// A client that sends texts which are small on the wire and large in memory, in a heap of its own. Posts what the server answers.
import { once } from "node:events";
import { parentPort } from "node:worker_threads";
import { WebSocket } from "ws";

const [{ port, bytes }] = await once(parentPort, "message");
const texts = [
  "[".repeat(bytes / 2) + "]".repeat(bytes / 2),
  `[${"{},".repeat(bytes / 3 - 2)}{}]`,
  `[${"[],".repeat(bytes / 3 - 2)}[]]`,
  `[${"[],".repeat(bytes / 3 - 2)}`,
  "1",
];
const answers = [];
for (const text of texts) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  await once(socket, "open");
  socket.send(text);
  const [answer] = await once(socket, "message");
  answers.push(JSON.parse(String(answer)));
  socket.close();
}
parentPort.postMessage(answers);
