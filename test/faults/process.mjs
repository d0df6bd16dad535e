// The program as a process of its own: commands come from its parent, and news go there. It holds on to nothing once the
// Conn is closed, so it must end by itself.
import { createHook } from "node:async_hooks";
import { Conn } from "tautline";
import { run } from "./program.mjs";

/** Resources that must not outlive the Conn, whether they hold the process or not. */
const KEPT = /^(Timeout|TCPWRAP|TCPCONNECTWRAP|GETADDRINFOREQWRAP|WRITEWRAP|SHUTDOWNWRAP)$/;
const HOLDS = /^(Timeout|TCPSocketWrap|TCPServerWrap|TLSSocketWrap|GetAddrInfoReqWrap|TCPConnectWrap)$/;
/** Anything that remains after this time remains for good. */
const PATIENCE_MS = 3_000;

const live = new Map();
createHook({
  init: (id, type) => KEPT.test(type) && live.set(id, type),
  destroy: (id) => live.delete(id),
}).enable();

async function left() {
  const start = performance.now();
  while (live.size > 0 && performance.now() - start < PATIENCE_MS) await new Promise(setImmediate);
  return [...live.values(), ...process.getActiveResourcesInfo().filter((name) => HOLDS.test(name))];
}

/** After the last news nothing of ours holds the process. */
function tell(news) {
  process.send?.(news, () => news.event === "left" && process.disconnect());
}

const { obey, uncaught } = run(JSON.parse(process.argv[2]), { Conn, tell, left });
process.on("message", obey);
process.on("uncaughtException", uncaught);
