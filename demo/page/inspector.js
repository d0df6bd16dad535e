import { colour, drawLine, paper } from "./chart.js";

const SPAN_MS = 60_000;
const SHOW_EVERY_MS = 250;
/** A blink of the line is not read out: only what lasts. */
const SETTLED_MS = 600;
const MAX_LOG = 60;
const RTT_SLOTS = 60;
const TONES = { open: "good", connecting: "busy", waiting: "wait", closing: "faint", closed: "bad", idle: "faint" };
const FINE = "The line is fine: 40 ms each way.";

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const whole = new Intl.NumberFormat("en");
const element = (id) => document.getElementById(id);
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** Watches every Conn of the page by what it tells, and breaks the line under all of them. */
export class Inspector {
  /** By name, so that a Conn that takes another's place keeps its timeline. */
  #lanes = new Map();
  #rtts = [];
  #isResuming = true;
  #status = "";
  #statusSince = 0;
  #fault = "";
  #healAt = 0;

  constructor() {
    setInterval(() => this.#show(), SHOW_EVERY_MS);
    for (const button of document.querySelectorAll("[data-fault]")) {
      button.addEventListener("click", () => this.#cause(button.dataset.fault, button.textContent));
    }
    element("heal").addEventListener("click", () => {
      this.#cause("heal", "Heal");
      // A button that goes would take the keyboard's focus with it.
      document.querySelector("[data-fault]").focus();
    });
  }

  /** All Conns begin anew, with resume or without. */
  begin(isResuming) {
    this.#isResuming = isResuming;
    this.#rtts.length = 0;
    this.#tellCounts({ received: 0, lost: 0, doubled: 0 });
  }

  watch(name, conn) {
    const lane = this.#lanes.get(name) ?? newLane(name);
    Object.assign(lane, { conn, attempt: 0, dueAt: 0, reason: "" });
    this.#lanes.set(name, lane);
    mark(lane, conn.state);
    const isCurrent = () => lane.conn === conn;

    conn.on("state", ({ to }) => {
      if (isCurrent()) mark(lane, to);
    });
    conn.on("open", ({ reconnected, resumed, downMs }) => {
      lane.attempt = 0;
      if (reconnected) this.tell(name, `back after ${seconds(downMs)}${resumed ? ", resumed" : ""}`);
    });
    conn.on("disconnected", ({ code, reason, wasOpen }) =>
      this.tell(name, `${wasOpen ? "disconnected" : "failed"} ${code} ${reason}`),
    );
    conn.on("waiting", ({ attempt, delayMs, reason }) => {
      Object.assign(lane, { attempt, dueAt: performance.now() + delayMs, reason });
    });
    conn.on("session-lost", ({ delivered, undelivered, inDoubt }) => {
      const fates = `${delivered.length} had arrived, ${undelivered.length} are sent now, ${inDoubt.length} in doubt`;
      this.tell(name, `session-lost: ${fates}`);
    });
    conn.on("error", ({ message }) => this.tell(name, message));
    conn.on("closed", ({ by, code }) => by !== "local" && this.tell(name, `closed by ${by}, ${code}`));
  }

  /** Numbered messages that were counted here, and those that the server counted. */
  count(down, up) {
    this.#tellCounts({
      received: down.received + up.received,
      lost: down.lost + up.lost,
      doubled: down.doubled + up.doubled,
    });
  }

  roundTrip(rttMs) {
    this.#rtts.push(rttMs);
    if (this.#rtts.length > RTT_SLOTS) this.#rtts.shift();
  }

  tell(name, what) {
    const item = document.createElement("li");
    const time = Object.assign(document.createElement("time"), { textContent: clock.format(Date.now()) });
    item.append(time, Object.assign(document.createElement("b"), { textContent: name }), what);
    element("log").prepend(item);
    while (element("log").childElementCount > MAX_LOG) element("log").lastElementChild.remove();
  }

  #tellCounts({ received, lost, doubled }) {
    element("lost").textContent = whole.format(lost);
    element("doubled").textContent = whole.format(doubled);
    element("figures").classList.toggle("harmed", lost + doubled > 0);
    const row = element(this.#isResuming ? "with-resume" : "without-resume");
    [received, lost, doubled].forEach((figure, index) => {
      row.cells[index + 1].textContent = whole.format(figure);
    });
  }

  /** Past the line: over plain HTTP, which the faults don't touch. */
  async #cause(fault, label) {
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("/faults", { method: "POST", headers, body: JSON.stringify({ fault }) });
      const { lastsMs = 0, connections = 0 } = await response.json();
      this.tell("Line", `${label.toLowerCase()} (${connections} connections)`);
      if (fault === "heal") this.#healAt = 0;
      if (lastsMs === 0) return;
      this.#fault = label;
      this.#healAt = performance.now() + lastsMs;
    } catch {
      this.tell("Line", "the server itself is away");
    }
  }

  #show() {
    const now = performance.now();
    for (const lane of this.#lanes.values()) showLane(lane, now);
    this.#showFigures();
    this.#showStatus(now);
    const leftMs = Math.max(0, this.#healAt - now);
    element("fault-text").textContent = leftMs > 0 ? `${this.#fault}: heals in ${seconds(leftMs)}` : FINE;
    element("heal").hidden = leftMs === 0;
    element("rtt").textContent = this.#rtts.length > 0 ? `${this.#rtts.at(-1).toFixed(0)} ms` : "–";
    drawLine(element("rtt-chart"), this.#rtts, { slots: RTT_SLOTS, max: 150 });
  }

  #showFigures() {
    let [queued, sent, acknowledged] = [0, 0, 0];
    for (const { conn } of this.#lanes.values()) {
      queued += conn.stats.outbox.messages;
      sent += conn.stats.sent;
      // Never below zero, because messages of setup are acknowledged and not counted as sent.
      acknowledged += Math.max(0, conn.stats.sent - conn.stats.unacknowledged.messages);
    }
    element("queued").textContent = whole.format(queued);
    element("sent").textContent = whole.format(sent);
    // Without a session nobody knows.
    element("acknowledged").textContent = this.#isResuming ? whole.format(acknowledged) : "–";
  }

  #showStatus(now) {
    const away = [...this.#lanes].filter(([, { conn }]) => conn.state !== "open").map(([name]) => name);
    const all =
      away.length === this.#lanes.size ? "All connections are" : `${away.join(", ")} ${away.length > 1 ? "are" : "is"}`;
    const status = away.length === 0 ? `All ${this.#lanes.size} connections are open` : `${all} away`;
    if (status !== this.#status) this.#statusSince = now;
    this.#status = status;
    if (now - this.#statusSince < SETTLED_MS || element("status").textContent === status) return;
    element("status").textContent = status;
    element("status").dataset.tone = away.length === 0 ? "good" : "busy";
  }
}

function newLane(name) {
  const row = element("lanes").tBodies[0].insertRow();
  const heading = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
  const canvas = document.createElement("canvas");
  canvas.role = "img";
  canvas.ariaLabel = `States of ${name} over the last minute`;
  row.append(heading);
  row.insertCell().append(canvas);
  return { row, canvas, words: row.insertCell(), marks: [] };
}

/** The lane is in `state` from now on. */
function mark(lane, state) {
  lane.marks.push({ state, at: performance.now() });
}

function showLane(lane, now) {
  const { conn, marks, canvas, words, row } = lane;
  while (marks.length > 1 && marks[1].at < now - SPAN_MS) marks.shift();
  row.dataset.state = conn.state;
  words.textContent = inWords(lane, now);
  const sheet = paper(canvas);
  if (!sheet) return;
  const { context, width, height } = sheet;
  const x = (at) => Math.max(0, width * (1 - (now - at) / SPAN_MS));
  marks.forEach(({ state, at }, index) => {
    const [from, to] = [x(at), x(marks[index + 1]?.at ?? now)];
    context.fillStyle = colour(TONES[state]);
    // Height tells what colour tells, for those who don't see it.
    const part = state === "open" ? 1 : state === "connecting" ? 0.6 : 0.3;
    context.fillRect(from, height * (1 - part), Math.max(1.5, to - from), height * part);
  });
}

function inWords({ conn, attempt, dueAt, reason }, now) {
  if (conn.state === "waiting")
    return `retry ${attempt} in ${seconds(Math.max(0, dueAt - now))}${reason === "backoff" ? "" : ` (${reason})`}`;
  if (conn.state === "connecting" && attempt > 0) return `attempt ${attempt}`;
  return conn.state;
}
