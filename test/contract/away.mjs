// A program with one Conn, run by faults.test.ts: takes commands from its parent and tells what happens. It holds on to
// nothing once the Conn is closed, so it must end by itself.
import { Conn } from "tautline";

const [url, options] = process.argv.slice(2);
const conn = new Conn(url, { backoff: () => 0, ...JSON.parse(options) });
const tell = (event, payload) => process.send?.({ event, ...payload });

for (const event of ["open", "waiting"]) conn.on(event, (payload) => tell(event, payload));
conn.on("lost", ({ code, opened, retry, cause }) =>
  tell("lost", { code, opened, retry, cause: cause?.code, state: conn.state }),
);
conn.on("message", (text) => tell("message", { text }));

const commands = {
  send: ({ texts }) => {
    for (const text of texts) conn.send(text);
  },
  flush: () => conn.flush().then(() => tell("flushed")),
  close: async () => {
    const start = performance.now();
    const { by, unsent } = await conn.close();
    process.send({ event: "closed", by, unsent, ms: performance.now() - start }, () => process.disconnect());
  },
};
process.on("message", (message) => commands[message.command](message));
