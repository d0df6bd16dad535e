// Random sessions over real sockets that break at any byte, with every send option, evictions, restarts and shutdowns.
// The oracle knows what each end really received, and holds every account of either end against that list.
//
// Use: `explorer.mjs --sessions N --seed S [--miscount 0.005]`. A run with a miscount has to find violations.
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Conn, json } from "tautline";
import { resume } from "tautline/resume";
import { handle, handler } from "tautline/server";
import { chaosProxy, POISON } from "./chaos-proxy.mjs";

const { values: options } = parseArgs({
  options: {
    sessions: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    miscount: { type: "string", default: "0" },
  },
});
const SESSIONS = Number(options.sessions);
const MISCOUNT = Number(options.miscount);
const AT_ONCE = 80;

/** mulberry32: small, seeded, good enough to choose faults by. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The messages that one end sent, the claims about each, and the messages that the other end really received. */
class Account {
  sent = new Map();
  received = [];
  #next = 0;

  /** @param {string} name @param {number} [id] which of several senders this is @param {number} [poisonShare] of its messages */
  constructor(name, id, poisonShare = 0) {
    this.name = name;
    this.id = id;
    this.poisonShare = poisonShare;
  }

  /** Sends the next message over `conn`, with options of the draw's choice, and keeps what is said of it. */
  send(conn, draw) {
    const n = this.#next++;
    const message = { n, conn, isVolatile: draw() < 0.1, mayRepeat: draw() < 0.15, outcome: undefined, claims: [] };
    const sendOptions = {
      ...(message.isVolatile && { volatile: true }),
      ...(message.mayRepeat && { resend: true }),
      ...(draw() < 0.2 && { confirm: true }),
      ...(draw() < 0.1 && { key: `k${Math.floor(draw() * 3)}` }),
      ...(draw() < 0.1 && { ttlMs: 1 + draw() * 300 }),
    };
    if (draw() < 0.1) {
      const controller = new AbortController();
      sendOptions.signal = controller.signal;
      setTimeout(() => controller.abort(), draw() * 300);
    }
    this.sent.set(n, message);
    const filler = "x".repeat(Math.floor(draw() ** 3 * 2_000));
    message.isPoison = this.poisonShare > 0 && draw() < this.poisonShare;
    const value = { n, c: this.id, filler: message.isPoison ? POISON : filler };
    try {
      conn.send(value, sendOptions).then(
        () => sendOptions.confirm && message.claims.push("received"),
        ({ code }) => {
          message.outcome = code;
        },
      );
    } catch ({ code }) {
      // It was refused at the call, and never taken.
      message.claims.push("not received");
      message.outcome = code;
    }
  }

  /** Listens to all that `conn` says of what was sent over it. */
  watch(conn) {
    const claim = (payloads, what) => {
      for (const payload of payloads) this.sent.get(JSON.parse(payload).n)?.claims.push(what);
    };
    conn.on("dropped", ({ payload, direction, error }) => {
      if (direction !== "out") return;
      claim([payload], "not received");
      if (error.code !== "poison") return;
      totals.poison++;
      const message = this.sent.get(JSON.parse(payload).n);
      if (message) message.outcome = "poison";
    });
    conn.on("session-lost", ({ delivered, undelivered, inDoubt }) => {
      claim(delivered, "received");
      claim(undelivered, "not yet received");
      claim(inDoubt, "in doubt");
    });
    conn.closed.then(({ unsent, inDoubt }) => {
      claim(unsent, "not received");
      claim(inDoubt, "in doubt");
    });
    return conn;
  }

  /** Lists the claims that are not true. */
  violations() {
    const found = [];
    const times = new Map();
    let last = -1;
    for (const n of this.received) {
      times.set(n, (times.get(n) ?? 0) + 1);
      if (n < last && !this.sent.get(n)?.mayRepeat) found.push(`${n} came after ${last}`);
      last = Math.max(last, n);
    }
    for (const { n, isVolatile, mayRepeat, isPoison, claims, outcome } of this.sent.values()) {
      const count = times.get(n) ?? 0;
      if (count > 0 && isPoison) found.push(`${n} passed a proxy that lets no such message pass`);
      // Three cuts by chance, each right after the message, look like a poisoned message.
      if (outcome === "poison" && !isPoison) totals.innocent++;
      if (count > 1 && !mayRepeat) found.push(`${n} came ${count} times`);
      if (claims.includes("received") && count === 0) found.push(`${n} was said to be received and was not`);
      if (claims.includes("not received") && count > 0)
        found.push(`${n} was said not to be received, and was (${outcome})`);
      if (count === 0 && !isVolatile && !claims.some((each) => each !== "not yet received")) {
        found.push(`${n} was lost without a word (${outcome ?? "resolved"})`);
      }
    }
    return found.map((text) => `${this.name}: ${text}`);
  }
}

async function explore(seed) {
  const draw = randomFrom(seed);
  const pick = (items) => items[Math.floor(draw() * items.length)];
  const up = new Account("client to server");
  const down = [];
  const sessions = {
    ttlMs: pick([100, 2_000, 5_000, 5_000]),
    windowBytes: pick([200, 2_000, 100_000]),
    ack: pick(["received", "consumed"]),
    maxSessions: pick([0, 1, 10_000, 10_000, 10_000, 10_000]),
    maxBytes: pick([0, 1_000, 2 ** 20, 2 ** 20, 2 ** 20, 2 ** 20]),
  };
  const heartbeat = { intervalMs: 100, timeoutMs: 100 };
  const poisonShare = pick([0, 0, 0, 0, 0, 0.01, 0.03]);
  // Few other breaks beside a poisoned message, because they clear its evidence.
  if (poisonShare > 0) Object.assign(sessions, { ttlMs: 5_000, maxSessions: 10_000, maxBytes: 2 ** 20 });
  const serve = async (conn, request) => {
    if (request.url.includes("replayed")) return conn.closed;
    const account = new Account(`server to client, Conn ${down.length}`, down.length, poisonShare);
    down.push(account);
    account.watch(conn);
    for await (const { n } of conn) {
      up.received.push(n);
      if (draw() < 0.3 && conn.state !== "closing" && conn.state !== "closed") {
        account.send(conn, draw);
      }
    }
  };
  const problems = [];
  const start = async () => {
    const http = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => http.once("listening", resolve));
    const served = handler(serve, {
      codec: json(),
      resume: sessions,
      heartbeat,
      onError: (error) => problems.push(String(error)),
    });
    handle(http, "/", served);
    return { http, served, port: http.address().port };
  };
  const stop = async ({ http, served }, how) => {
    await served.shutdown(how);
    http.closeAllConnections();
    http.close();
  };

  let server = await start();
  const proxy = await chaosProxy(server.port, draw, {
    maxBytes: poisonShare > 0 ? 1_000_000 : pick([5_000, 20_000, 100_000]),
    miscount: MISCOUNT,
  });
  const client = new Conn(`ws://127.0.0.1:${proxy.port}/`, {
    codec: json(),
    resume: resume({ windowBytes: pick([200, 2_000, 100_000]), ack: pick(["received", "consumed"]) }),
    heartbeat,
    backoff: () => 10,
    connectTimeoutMs: 1_000,
    closeTimeoutMs: 1_000,
    outbox: pick([{}, {}, {}, {}, { maxMessages: 5 }, { maxMessages: 5, overflow: "drop-oldest" }]),
  });
  up.watch(client);
  client.on("open", ({ resumed }) => {
    totals.opens++;
    if (resumed) totals.resumed++;
  });
  client.on("session-lost", () => totals["session-lost"]++);
  client.on("dropped", () => totals.dropped++);
  const reading = (async () => {
    try {
      for await (const { n, c } of client) down[c].received.push(n);
    } catch {
      // The promise of closed reports the end.
    }
  })();

  for (let moves = 30 + draw() * 50; moves > 0; moves--) {
    const move = draw();
    if (client.state === "closed") break;
    if (move < 0.7) for (let n = draw() * 10; n > 0 && client.state !== "closed"; n--) up.send(client, draw);
    else if (move < 0.8) proxy.cut();
    else if (move < 0.84) proxy.replay();
    else if (move < 0.87) client.reconnect();
    else if (move < 0.875) {
      const old = server;
      server = await start();
      proxy.retarget(server.port);
      await stop(old, { timeoutMs: 200, spreadMs: pick([0, 50]) });
    } else if (move < 0.88) pick([...server.served.conns])?.close(pick([1000, 1001, 4000]));
    else await pause(draw() * 200);
    await pause(draw() * 40);
  }
  proxy.heal();
  await pause(300);
  if (draw() < 0.7) await client.close();
  else await stop(server, { timeoutMs: 500 });
  await client.close();
  await reading;
  await stop(server, { timeoutMs: 500 });
  proxy.close();
  // Promises about the end settle in microtasks and in timers that are due.
  await pause(50);
  for (const { sent, received } of [up, ...down]) {
    totals.sent += sent.size;
    totals.received += received.length;
  }
  return [...up.violations(), ...down.flatMap((account) => account.violations()), ...problems];
}

/** Counts of events, so that a run that tries nothing shows. */
const totals = { sent: 0, received: 0, opens: 0, resumed: 0, "session-lost": 0, dropped: 0, poison: 0, innocent: 0 };
let next = 0;
let violated = 0;
let died = 0;
process.on("uncaughtException", (error) => {
  died++;
  console.log("UNCAUGHT", error);
});
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < SESSIONS) {
      const seed = Number(options.seed) * 1_000_003 + next++;
      const found = await explore(seed);
      if (found.length === 0) continue;
      violated++;
      if (violated <= 10) console.log(`seed ${seed}: ${found.slice(0, 3).join("; ")}`);
    }
  }),
);
if (totals.innocent > totals.poison / 2) {
  violated++;
  console.log("Most of the messages that were set aside as poison are none.");
}
console.log(
  Object.entries(totals)
    .map(([name, count]) => `${name} ${count}`)
    .join(", "),
);
if (MISCOUNT > 0) {
  console.log(`${SESSIONS} sessions with ${MISCOUNT * 100} % of the counts raised by one: found in ${violated}`);
  process.exitCode = violated > 0 ? 0 : 1;
} else {
  console.log(`${SESSIONS} sessions, ${violated} with violations, ${died} uncaught errors`);
  process.exitCode = violated > 0 || died > 0 ? 1 : 0;
}
process.exit();
