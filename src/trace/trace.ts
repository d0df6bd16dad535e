import { badOption, failOption, textOf } from "../base/errors.ts";
import { flagRule, type OptionRules, rule, takeOptions } from "../base/option-rules.ts";
import { byteLength, type Payload } from "../base/payload.ts";
import { Queue } from "../base/queue.ts";
import type { ConnEvents } from "../core/events.ts";
import type { Stats } from "../core/stats.ts";

/** The part of a Conn that a trace uses. */
export interface TraceableConn {
  /** As `conn.url`. */
  readonly url: string;
  /** As `conn.state`. */
  readonly state: string;
  /** As `conn.stats`. */
  readonly stats: Pick<Stats, "sent" | "received" | "opens" | "outbox" | "inbox" | "unacknowledged">;
  /** As `conn.on()`. */
  on<Name extends TracedEvent>(event: Name, listener: (payload: ConnEvents<unknown>[Name]) => void): () => void;
}

/** The size of a trace, and whether it may hold payloads. */
export interface TraceOptions {
  /** How many entries are kept: the newest. From 1 to 100,000; default 200. */
  readonly last?: number | undefined;
  /** Whether payloads of messages that were dropped or not delivered are kept, at most 1,000 characters of each. Default false. */
  readonly payloads?: boolean | undefined;
}

/** One recorded event. */
export interface TraceEntry {
  /** When, in milliseconds of `Date.now()`. */
  readonly at: number;
  /** The name of the event. */
  readonly event: TracedEvent;
  /** The event in words: states, codes, reasons, causes, sizes. */
  readonly text: string;
  /** Messages sent since the entry before. */
  readonly sent: number;
  /** Messages received since the entry before. */
  readonly received: number;
}

/** A bounded record of a Conn. */
export interface Trace {
  /** The entries that are kept, oldest first: a new array each time. */
  readonly entries: readonly TraceEntry[];
  /** The number of entries that were dropped for newer ones. */
  readonly forgotten: number;
  /** Records nothing more. The entries stay. */
  stop(): void;
  /** Returns the record as text for a bug report. */
  toString(): string;
}

/** The events that are recorded. `message` is not: a listener of it would take the messages from `receive()`. */
export type TracedEvent = Exclude<keyof ConnEvents<unknown>, "message">;

type Describe = {
  readonly [name in TracedEvent]: (payload: ConnEvents<unknown>[name], withPayloads: boolean) => string;
};

const MAX_LAST = 100_000;
const MAX_CAUSE_CHARS = 500;
const MAX_PAYLOAD_CHARS = 1_000;
const MAX_CAUSES = 5;

const RULES: OptionRules<{ readonly last: number; readonly payloads: boolean }> = {
  last: rule(
    `a whole number from 1 to ${MAX_LAST}`,
    (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_LAST,
    200,
  ),
  payloads: flagRule(false),
};

const DESCRIBE: Describe = {
  state: ({ from, to }) => `${from} > ${to}`,
  open: ({ protocol, attempt, reconnected, resumed, session, downMs }) =>
    words(
      `attempt ${attempt}`,
      protocol && `protocol ${protocol}`,
      reconnected && `reconnected after ${Math.round(downMs)} ms`,
      session && (resumed ? "session resumed" : "new session"),
    ),
  disconnected: ({ code, status, reason, clean, wasOpen, willRetry, retryAfter, cause }) =>
    words(
      `code ${code}`,
      status !== undefined && `HTTP ${status}`,
      reason && `reason ${JSON.stringify(reason)}`,
      retryAfter && `Retry-After ${retryAfter}`,
      clean ? "clean" : "not clean",
      wasOpen ? "was open" : "was not open",
      willRetry ? "will retry" : "final",
      causeOf(cause),
    ),
  waiting: ({ attempt, delayMs, reason }) => `attempt ${attempt} in ${Math.round(delayMs)} ms, ${reason}`,
  "session-lost": ({ delivered, undelivered, inDoubt }, withPayloads) =>
    words(
      sizes("delivered", delivered, false),
      sizes("undelivered", undelivered, withPayloads),
      sizes("in doubt", inDoubt, withPayloads),
    ),
  closed: ({ code, reason, clean, by, unsent, inDoubt, error }, withPayloads) =>
    words(
      `by ${by}`,
      `code ${code}`,
      reason && `reason ${JSON.stringify(reason)}`,
      clean ? "clean" : "not clean",
      sizes("unsent", unsent, withPayloads),
      sizes("in doubt", inDoubt, withPayloads),
      causeOf(error),
    ),
  error: (error) => causeOf(error) || "",
  dropped: ({ payload, error, direction }, withPayloads) =>
    words(direction, sizes(error.code, [payload], withPayloads), causeOf(error.cause)),
  drained: () => "",
  latency: ({ rttMs }) => `${Math.round(rttMs)} ms`,
};

/**
 * Records what happens to `conn`: states, endings with their causes, waits, errors and sizes; no payloads unless asked,
 * and no query of a URL. Bounded, so that a trace may run for as long as its Conn.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * ```ts
 * const record = trace(conn, { last: 200 });
 * reportButton.onclick = () => copyToClipboard(String(record));
 * ```
 */
export function trace(conn: TraceableConn, options: TraceOptions = {}): Trace {
  const { last, payloads } = takeOptions("trace.", RULES, options, failOption);
  if (typeof conn?.on !== "function") throw badOption("The first argument of trace()", "a Conn", conn);
  const ring = new Queue<TraceEntry>();
  const startedAt = Date.now();
  let { sent, received } = conn.stats;
  let forgotten = 0;
  const record = <Name extends TracedEvent>(event: Name, payload: ConnEvents<unknown>[Name]) => {
    const { stats } = conn;
    const text = DESCRIBE[event](payload, payloads);
    ring.push({ at: Date.now(), event, text, sent: stats.sent - sent, received: stats.received - received });
    ({ sent, received } = stats);
    if (ring.length <= last) return;
    ring.shift();
    forgotten++;
  };
  const offs = (Object.keys(DESCRIBE) as TracedEvent[]).map((event) =>
    conn.on(event, (payload) => record(event, payload)),
  );
  /** Returns all entries. They are taken out and put back, because a queue can only be read by `shift()`. */
  const entriesOf = () => {
    const entries: TraceEntry[] = [];
    for (let entry = ring.shift(); entry; entry = ring.shift()) entries.push(entry);
    for (const entry of entries) ring.push(entry);
    return entries;
  };
  return {
    get entries() {
      return entriesOf();
    },
    get forgotten() {
      return forgotten;
    },
    stop() {
      for (const off of offs) off();
    },
    toString() {
      const lines = entriesOf().map((entry) => lineOf(entry, startedAt));
      if (forgotten > 0) lines.unshift(`… ${forgotten} entries before`);
      return [headOf(conn, startedAt), ...lines].join("\n");
    },
  };
}

function headOf({ url, state, stats }: TraceableConn, startedAt: number): string {
  const { sent, received, opens, outbox, inbox, unacknowledged } = stats;
  const size = ({ messages, bytes }: { messages: number; bytes: number }) => `${messages} (${bytes} B)`;
  return [
    `tautline trace since ${new Date(startedAt).toISOString()} of ${withoutQuery(url)}, ${state}`,
    `${opens} opens, ${sent} sent, ${received} received, outbox ${size(outbox)}, inbox ${size(inbox)}, unacknowledged ${size(unacknowledged)}`,
  ].join("\n");
}

function lineOf({ at, event, text, sent, received }: TraceEntry, startedAt: number): string {
  const time = `+${((at - startedAt) / 1_000).toFixed(3)} s`.padStart(12);
  const traffic = words(sent > 0 && `${sent} sent`, received > 0 && `${received} received`);
  return `${time}  ${event.padEnd(12)}  ${words(text, traffic && `[${traffic}]`)}`.trimEnd();
}

/** Returns the URL without its query and its user, which may hold a token or a password. */
function withoutQuery(url: string): string {
  return url.replace(/\?.*$/s, "?…").replace(/\/\/[^/@]*@/, "//…@") || "no URL yet";
}

/** Returns the text of an error and of its causes, joined by ` < ` in one line. */
function causeOf(thrown: unknown): string {
  const texts: string[] = [];
  for (let error = thrown; error !== undefined && texts.length < MAX_CAUSES; error = (Object(error) as Error).cause) {
    texts.push(textOf(error).slice(0, MAX_CAUSE_CHARS));
  }
  return texts.join(" < ");
}

function sizes(name: string, payloads: readonly Payload[], withPayloads: boolean): string {
  if (payloads.length === 0) return "";
  const bytes = payloads.reduce((sum, payload) => sum + byteLength(payload), 0);
  const shown = withPayloads ? `: ${payloads.map(preview).join(" ").slice(0, MAX_PAYLOAD_CHARS)}` : "";
  return `${name} ${payloads.length} (${bytes} B)${shown}`;
}

function preview(payload: Payload): string {
  if (typeof payload === "string") return JSON.stringify(payload.slice(0, MAX_PAYLOAD_CHARS));
  return Array.from(payload.subarray(0, MAX_PAYLOAD_CHARS / 2), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function words(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(", ");
}
