// The other end of the frames bench: reads all and keeps nothing.
import { createServer } from "node:net";

const server = createServer((socket) => socket.resume());
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
process.on("disconnect", () => process.exit());
