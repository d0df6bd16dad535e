import { Conn, exponential } from "/package/index.mjs";
import { resume } from "/package/resume.mjs";
import { startChat } from "./chat.js";
import { startGame } from "./game.js";
import { Inspector } from "./inspector.js";
import { startMeter } from "./meter.js";
import { Nodes } from "./nodes.js";
import { startNumbers } from "./numbers.js";
import { startSystem } from "./system.js";
import { startTicker } from "./ticker.js";

const page = crypto.randomUUID();
const inspector = new Inspector();
const nodes = await Nodes.find(inspector);
const resumeSwitch = document.getElementById("resume");
let runs = 0;
let stop = start();

/** Opens a Conn for each use. They share nothing but the line, and what connect() adds. */
function start() {
  const isResuming = resumeSwitch.checked;
  const ending = new AbortController();
  const conns = [];
  const run = `${page}-${++runs}`;
  const clientId = (suffix) => run + suffix;

  /** A Conn as the page wants them all: quick to notice and to return, and watched by the inspector. */
  function connect(name, path, { suffix = "", query = {}, ...options }) {
    const conn = new Conn(`${path}?${new URLSearchParams({ page: clientId(suffix), pane: name, ...query })}`, {
      backoff: exponential({ firstMs: 500, maxMs: 3_000 }),
      connectTimeoutMs: 3_000,
      resume: isResuming ? resume() : undefined,
      ...options,
      heartbeat: { intervalMs: 1_000, timeoutMs: 2_500, ...options.heartbeat },
    });
    conns.push(conn);
    inspector.watch(name, conn);
    return conn;
  }

  const context = { connect, clientId, isResuming, hasNodes: nodes !== undefined, signal: ending.signal };
  inspector.begin(isResuming);
  nodes?.follow(run);
  startChat(context);
  startGame(context);
  startTicker(context);
  startSystem(context);
  // Its accounts are in one process: with several, the numbers take a channel.
  if (nodes) startNumbers(context, inspector);
  else startMeter(context, inspector);

  return () => {
    ending.abort();
    for (const conn of conns) conn.close();
  };
}

resumeSwitch.addEventListener("change", () => {
  stop();
  stop = start();
});
