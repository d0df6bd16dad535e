import { colour, paper } from "./chart.js";

const SPAN_MS = 60_000;
/** Longer than the heartbeat's interval and its timeout together: a connection with a heartbeat is never silent so long. */
const SILENT_MS = 5_000;
const TONES = { open: "good", connecting: "busy", waiting: "wait", closing: "faint", closed: "bad", idle: "faint" };

export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** One connection of the page, by its name: its state over the last minute, and in words. */
export class Lane {
  name;
  /** The Conn that has the name now. */
  conn;
  attempt = 0;
  /** How it ended, once it has. */
  end = "";
  #row;
  #canvas;
  #words;
  #marks = [];

  constructor(name, table) {
    this.name = name;
    this.#row = table.insertRow();
    const heading = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
    this.#canvas = document.createElement("canvas");
    this.#canvas.role = "img";
    this.#canvas.ariaLabel = `States of ${name} over the last minute`;
    this.#row.append(heading);
    this.#row.insertCell().append(this.#canvas);
    this.#words = this.#row.insertCell();
  }

  /** Another Conn takes the place of the one before. */
  take(conn) {
    Object.assign(this, { conn, attempt: 0, end: "" });
    this.mark(conn.state);
  }

  /** The lane is in `state` from now on. */
  mark(state) {
    this.#marks.push({ state, at: performance.now() });
  }

  get isOpen() {
    return this.conn.state === "open";
  }

  /** How long an open connection has received nothing; 0 where that means nothing yet. */
  get silentMs() {
    const { lastReceivedAt } = this.conn.stats;
    const sinceMs = this.isOpen && lastReceivedAt !== null ? Date.now() - lastReceivedAt : 0;
    return sinceMs >= SILENT_MS ? sinceMs : 0;
  }

  /** Whether the user can do better than wait. */
  get canRetry() {
    return this.conn.state === "waiting" || this.silentMs > 0;
  }

  /** Dials at once: in the place of a wait, or of a connection that may be dead. */
  retry() {
    if (this.conn.state === "waiting") this.conn.connect();
    else if (this.silentMs > 0) this.conn.reconnect();
  }

  show() {
    const { state } = this.conn;
    const words = this.#inWords();
    this.#row.dataset.state = this.silentMs > 0 ? "silent" : state;
    if (this.#words.textContent !== words) this.#words.textContent = words;
    this.#draw(performance.now());
    const note = document.querySelector(`[data-conn="${this.name}"]`);
    if (!note) return;
    const text = this.#inSentences(note);
    if (note.textContent !== text) note.textContent = text;
    note.hidden = text === "";
  }

  #inWords() {
    const { state, waiting } = this.conn;
    if (state === "waiting" && waiting) return `retry ${waiting.attempt} in ${untilRetry(waiting)}`;
    if (state === "connecting" && this.attempt > 0) return `attempt ${this.attempt}`;
    if (state === "closed") return "ended";
    return this.silentMs > 0 ? `silent for ${Math.round(this.silentMs / 1000)} s` : state;
  }

  /** The words for the pane of this connection: none while all is well. */
  #inSentences({ dataset: { waits = "" } }) {
    const { state, waiting, hasSession } = this.conn;
    if (state === "waiting" && waiting) return `Away. Next attempt in ${untilRetry(waiting)}.${waits && ` ${waits}`}`;
    if (state === "connecting") return this.attempt > 0 ? `Away. Attempt ${this.attempt} is under way.` : "Connecting.";
    if (state === "closed") return `Ended: ${this.end}. Nothing more arrives.`;
    if (this.silentMs === 0) return "";
    const silent = `Silent for ${Math.round(this.silentMs / 1000)} s.`;
    return hasSession ? silent : `${silent} Without resume the page can't tell whether the line is dead.`;
  }

  #draw(now) {
    while (this.#marks.length > 1 && this.#marks[1].at < now - SPAN_MS) this.#marks.shift();
    const sheet = paper(this.#canvas);
    if (!sheet) return;
    const { context, width, height } = sheet;
    const x = (at) => Math.max(0, width * (1 - (now - at) / SPAN_MS));
    this.#marks.forEach(({ state, at }, index) => {
      const [from, to] = [x(at), x(this.#marks[index + 1]?.at ?? now)];
      context.fillStyle = colour(TONES[state]);
      // Height tells what colour tells, for those who don't see it.
      const part = state === "open" ? 1 : state === "connecting" ? 0.6 : 0.3;
      context.fillRect(from, height * (1 - part), Math.max(1.5, to - from), height * part);
    });
  }
}

function untilRetry({ retryAt, reason }) {
  const left = seconds(Math.max(0, retryAt - Date.now()));
  return reason === "backoff" ? left : `${left} (${reason})`;
}
