// The oracle: compares what clients and servers noted. It knows nothing of tautline.

/** The longest way of an answer from the engine to the client, on a busy machine. */
const ANSWER_MS = 500;

/** Compares the channel's log with what one client got: nothing missed, doubled or out of order but after a gap. */
function checkChannel({ id, entries, hasLeft }, log, faults) {
  const places = new Map(log.map(([, , position], place) => [position, place]));
  const seen = new Set();
  let last;
  let isAfterGap = false;
  for (const entry of entries) {
    if (entry === null) {
      isAfterGap = true;
      continue;
    }
    const [from, n, position] = entry;
    const place = places.get(position);
    if (seen.has(position)) faults.push(`${id} got ${position} twice`);
    seen.add(position);
    // Lost by the engine: a failover took it back after it was delivered. The gap that follows is demanded below.
    if (place === undefined) {
      last = { lost: position };
      isAfterGap = false;
      continue;
    }
    if (log[place][0] !== from || log[place][1] !== n) faults.push(`${id} got other data at ${position}`);
    if (last?.lost !== undefined && !isAfterGap) faults.push(`${id} got no gap after ${last.lost}, which was lost`);
    if (last?.place !== undefined && !isAfterGap) {
      if (place < last.place) faults.push(`${id} got ${position} out of order`);
      else if (place > last.place + 1) faults.push(`${id} missed ${place - last.place - 1} before ${position}`);
    }
    last = { place };
    isAfterGap = false;
  }
  if (!hasLeft && last?.place !== undefined && last.place !== log.length - 1 && !isAfterGap) {
    faults.push(`${id} missed the last ${log.length - 1 - last.place}`);
  }
}

/** A publish that resolved is in the log once, unless the engine may have lost it; one of another outcome at most once. */
function checkPublishes({ id, publishes, hasLeft }, log, mayLose, faults, counts) {
  const numbers = new Map();
  for (const [from, n] of log) if (from === id) numbers.set(n, (numbers.get(n) ?? 0) + 1);
  for (const [n, state, , at] of publishes) {
    const times = numbers.get(n) ?? 0;
    counts[`publish ${state}`] = (counts[`publish ${state}`] ?? 0) + 1;
    if (times > 1) faults.push(`${id} published ${n} once, and it is in the log ${times} times`);
    if (state === "pending" && !hasLeft) faults.push(`publish ${n} of ${id} has no outcome`);
    if (state === "done" && times === 0) {
      counts["publish lost by the engine"] = (counts["publish lost by the engine"] ?? 0) + 1;
      if (!mayLose(at)) faults.push(`publish ${n} of ${id} resolved, and is not in the log`);
    }
  }
}

/** Each outcome of a message is true of the number of times that it arrived. */
function checkOutcome(what, state, times, faults, counts, hasLeft = false) {
  const [kind] = what.split(" ");
  counts[`${kind} ${state}`] = (counts[`${kind} ${state}`] ?? 0) + 1;
  if (times > 1) faults.push(`${what} arrived ${times} times`);
  if (state === "pending" && !hasLeft) faults.push(`${what} has no outcome`);
  if ((state === "acknowledged" || state === "done") && times !== 1)
    faults.push(`${what} is ${state}, and did not arrive`);
  if (state === "refused" && times > 0) faults.push(`${what} was refused, and arrived`);
  if (state === "wrong") faults.push(`${what} got the answer of another`);
}

const tally = (lines, kind) => {
  const times = new Map();
  for (const [what, ...key] of lines) {
    if (what !== kind) continue;
    const name = key.slice(0, 2).join(" ");
    times.set(name, (times.get(name) ?? 0) + 1);
  }
  return times;
};

/**
 * @param {{ clients: any[], lines: any[][], logs: Record<string, any[][]>, lossFrom?: number, lossUntil?: number }} all what clients saw, what
 *   servers noted, each channel's log as `[from, n, position]`, and the time by `Date.now()` in which the engine lost writes
 * @returns {{ faults: string[], counts: Record<string, number> }}
 */
export function audit({ clients, lines, logs, lossFrom = 0, lossUntil = 0 }) {
  const mayLose = (at) => at >= lossFrom && at <= lossUntil + ANSWER_MS;
  const faults = [];
  const counts = {};
  const ups = tally(lines, "up");
  const calls = tally(lines, "call");
  const downs = new Map();
  for (const client of clients) {
    const log = logs[client.channel] ?? [];
    checkChannel(client, log, faults);
    checkPublishes(client, log, mayLose, faults, counts);
    for (const [n, state] of client.ups)
      checkOutcome(`up ${client.id} ${n}`, state, ups.get(`${client.id} ${n}`) ?? 0, faults, counts, client.hasLeft);
    for (const [n, state] of client.calls) {
      checkOutcome(
        `call ${client.id} ${n}`,
        state,
        calls.get(`${client.id} ${n}`) ?? 0,
        faults,
        counts,
        client.hasLeft,
      );
    }
    const latest = new Map();
    for (const [session, n] of client.downs) {
      if (n <= (latest.get(session) ?? -1)) faults.push(`${client.id} got ${n} of a session out of order or twice`);
      latest.set(session, n);
      downs.set(`${session} ${n}`, (downs.get(`${session} ${n}`) ?? 0) + 1);
    }
  }
  for (const [kind, session, n, outcome, id = "-"] of lines) {
    if (kind !== "outcome") continue;
    checkOutcome(`down ${session} ${n} to ${id}`, outcome, downs.get(`${session} ${n}`) ?? 0, faults, counts);
  }
  counts.received = clients.reduce((sum, { entries }) => sum + entries.length, 0);
  counts.gaps = clients.reduce((sum, { entries }) => sum + entries.filter((entry) => entry === null).length, 0);
  return { faults, counts };
}
