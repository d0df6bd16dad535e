import { Conn, json } from "tautline";
import { resume } from "tautline/resume";
import { fakeServer } from "tautline/testing/fake";

// The client, as it would stand in your page.
function connect(WebSocket) {
  return new Conn("wss://example.com/live", {
    codec: json(),
    WebSocket,
    resume: resume(), // Take this line out, run again, press Black hole: what is sent then is lost.
    heartbeat: { intervalMs: 1_000, timeoutMs: 1_500 },
  });
}

// The server, here in the page instead of elsewhere. It counts what arrives.
const server = fakeServer({ codec: json(), resume: true });
const arrived = [];
async function serve() {
  for (;;) read(await server.next());
}
async function read(connection) {
  try {
    for (;;) arrived.push(await connection.receive());
  } catch {} // The connection has ended.
}

serve();
const conn = connect(server.WebSocket);

let sent = 0;
setInterval(() => {
  const different = new Set(arrived).size;
  show({ sent, arrived: different, missing: sent - different, doubled: arrived.length - different });
  conn.send(++sent);
}, 300);
