import { drawLine } from "./chart.js";
import { Faults } from "./faults.js";
import { Lane, seconds } from "./lane.js";
import { EventLog } from "./log.js";

const SHOW_EVERY_MS = 250;
/** A blink of the line is shown and not read out: only what lasts is. */
const SETTLED_MS = 600;
const RTT_SLOTS = 60;

const whole = new Intl.NumberFormat("en");
const element = (id) => document.getElementById(id);
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Watches every Conn of the page by what it tells, and breaks the line under all of them. */
export class Inspector {
  /** By name, so that a Conn that takes another's place keeps its timeline. @type {Map<string, Lane>} */
  #lanes = new Map();
  #log = new EventLog(element("log"), () => this.#lanes.size);
  #faults = new Faults((what) => this.tell("Line", what));
  #rtts = [];
  #isResuming = true;
  #announced = "";
  #settlesAt = 0;

  constructor() {
    setInterval(() => this.#show(), SHOW_EVERY_MS);
    element("retry").addEventListener("click", () => {
      for (const lane of this.#lanes.values()) lane.retry();
      this.tell("You", "retried at once");
      document.querySelector("[data-fault]").focus();
    });
  }

  /** All Conns begin anew, with resume or without. */
  begin(isResuming) {
    this.#isResuming = isResuming;
    this.#rtts.length = 0;
    this.#showCounts({ received: 0, lost: 0, doubled: 0 });
  }

  watch(name, conn) {
    const lane = this.#lanes.get(name) ?? new Lane(name, element("lanes").tBodies[0]);
    this.#lanes.set(name, lane);
    lane.take(conn);
    const isCurrent = () => lane.conn === conn;
    const tell = (kind, value, inWords) => this.#log.tellOf(name, kind, value, inWords);

    conn.on("state", ({ to }) => {
      if (!isCurrent()) return;
      lane.mark(to);
      lane.show();
      this.#showStatus();
    });
    conn.on("open", ({ reconnected, resumed, downMs }) => {
      lane.attempt = 0;
      if (reconnected) tell(`back ${resumed}`, downMs, (all) => `back after ${span(all)}${resumed ? ", resumed" : ""}`);
    });
    conn.on("disconnected", ({ code, reason, wasOpen }) => {
      const what = `${wasOpen ? "disconnected" : "failed"}, ${code}${reason && ` ${reason}`}`;
      tell(what, code, () => what);
    });
    conn.on("waiting", ({ attempt }) => {
      lane.attempt = attempt;
    });
    conn.on("session-lost", (loss) =>
      tell("session-lost", loss, (all) => {
        const [arrived, resent, inDoubt] = ["delivered", "undelivered", "inDoubt"].map((part) =>
          whole.format(sum(all.map((one) => one[part].length))),
        );
        return `session lost: ${arrived} messages had arrived, ${resent} are sent now, ${inDoubt} in doubt`;
      }),
    );
    conn.on("error", ({ message }) => tell(message, message, () => message));
    conn.on("closed", ({ by, code, reason }) => {
      lane.end = `${code}${reason && ` ${reason}`}`;
      if (by !== "local" && isCurrent()) tell(`closed ${by}`, code, () => `ended by ${by}, ${lane.end}`);
    });
  }

  /** Numbered messages that were counted here, and those that the server counted. */
  count(down, up) {
    this.#showCounts({
      received: down.received + up.received,
      lost: down.lost + up.lost,
      doubled: down.doubled + up.doubled,
    });
  }

  roundTrip(rttMs) {
    this.#rtts.push(rttMs);
    if (this.#rtts.length > RTT_SLOTS) this.#rtts.shift();
  }

  /** Whether the connection of this name is open. */
  isOpen(name) {
    return this.#lanes.get(name)?.isOpen ?? false;
  }

  /** Causes a fault that has no button among those of the line. */
  cause(fault, label) {
    return this.#faults.cause(fault, label);
  }

  tell(name, what) {
    this.#log.tell(name, what);
  }

  #showCounts({ received, lost, doubled }) {
    for (const [id, count] of Object.entries({ lost, doubled })) {
      element(id).textContent = whole.format(count);
      element(id).dataset.tone = count > 0 ? "bad" : "good";
    }
    const row = element(this.#isResuming ? "with-resume" : "without-resume");
    [received, lost, doubled].forEach((figure, index) => {
      row.cells[index + 1].textContent = whole.format(figure);
    });
  }

  #show() {
    for (const lane of this.#lanes.values()) lane.show();
    this.#showFigures();
    this.#showStatus();
    this.#faults.show();
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

  /** The sentence is true whenever it is read. Only the reading aloud waits for what lasts. */
  #showStatus() {
    const lanes = [...this.#lanes.values()];
    const { text, spoken, tone } = statusOf(lanes);
    const status = element("status");
    if (status.textContent !== text) status.textContent = text;
    status.dataset.tone = tone;
    // Invisible and not gone, so that nothing moves when it comes.
    element("retry").style.visibility = lanes.some(({ canRetry }) => canRetry) ? "visible" : "hidden";

    const now = performance.now();
    if (spoken !== this.#announced) this.#settlesAt = now + SETTLED_MS;
    this.#announced = spoken;
    const announce = element("announce");
    if (now >= this.#settlesAt && announce.textContent !== spoken) announce.textContent = spoken;
  }
}

function statusOf(lanes) {
  const ended = lanes.filter(({ conn }) => conn.state === "closed");
  const away = lanes.filter((lane) => !lane.isOpen && !ended.includes(lane));
  const silent = lanes.filter(({ silentMs }) => silentMs > 0);
  const parts = [];
  if (away.length > 0) parts.push(`${named(away, lanes)} away`);
  if (ended.length > 0) parts.push(`${ended.map(({ name }) => name).join(", ")} ended`);
  const isWell = parts.length === 0;
  const text = isWell ? `All ${lanes.length} connections are open` : parts.join(", ");
  if (silent.length === 0) return { text, spoken: text, tone: isWell ? "good" : "busy" };
  const longestMs = Math.max(...silent.map(({ silentMs }) => silentMs));
  const spoken = `${text}, ${silent.length} of them silent`;
  const most = silent.length > 1 ? "up to " : "";
  return { text: `${spoken} for ${most}${Math.round(longestMs / 1000)} s`, spoken, tone: "busy" };
}

function named(some, all) {
  if (some.length === all.length) return "All connections are";
  return `${some.map(({ name }) => name).join(", ")} ${some.length > 1 ? "are" : "is"}`;
}

/** The shortest and the longest of some times, once where they read the same. */
function span(times) {
  const [least, most] = [Math.min(...times), Math.max(...times)].map(seconds);
  return least === most ? least : `${least.slice(0, -2)} to ${most}`;
}
