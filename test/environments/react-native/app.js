// An app uses a Conn in the engine of React Native. Each line that is printed is compared by the test.
require("./globals.js");
const { Conn, json } = require("tautline");
const { resume } = require("tautline/resume");

const conn = new Conn("wss://example.com/live", { codec: json(), resume: resume(), heartbeat: false });
conn.on("open", ({ protocol }) => print(`open ${conn.url} ${JSON.stringify(protocol)}`));
conn.on("message", ({ text }) => {
  print(`message ${text}`);
  conn.close(1000, "done");
});
conn.on("closed", ({ code, reason, clean, by, error }) => print(`closed ${code} ${reason} ${clean} ${by} ${error}`));
conn.send({ text: "hello" }).then(() => print("sent"));
