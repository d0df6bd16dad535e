// The oracle: compares what clients and servers noted. It knows nothing of tautline.

/** The longest way of an answer from the engine to the client, on a busy machine. */
const ANSWER_MS = 500;

/** One message as a client noted it, `[from, n, position]`, or a gap, `[null, null, the position after which it goes on]`. */
const isGap = ([from]) => from === null;

/**
 * Compares a channel's log with what one client got. All clients are attached before the first publish, so each gets the
 * whole log, in order and once. Only a client that has seen a message which the engine lost then gets a gap, at once. After
 * it comes the message behind the position that the gap named.
 */
function checkChannel({ id, entries, hasLeft }, log, faults) {
  const places = new Map(log.map(([, , position], place) => [position, place]));
  const seen = new Set();
  /** The place in the log of the message that has to come. */
  let next = 0;
  /** The newest message that the client has seen and the log does not have. */
  let lost;
  for (const entry of entries) {
    const [from, n, position] = entry;
    const place = places.get(position);
    if (isGap(entry)) {
      if (lost === undefined) faults.push(`${id} got a gap up to ${position}, and the log reached back`);
      if (place !== undefined && place + 1 < next) faults.push(`${id} was sent back to ${position} by a gap`);
      lost = place === undefined ? position : undefined;
      next = Math.max(next, (place ?? -1) + 1);
      continue;
    }
    if (seen.has(position)) faults.push(`${id} got ${position} twice`);
    seen.add(position);
    if (place === undefined) {
      lost = position;
      continue;
    }
    if (log[place][0] !== from || log[place][1] !== n) faults.push(`${id} got other data at ${position}`);
    if (lost !== undefined) faults.push(`${id} got no gap after ${lost}, which was lost`);
    else if (place < next) faults.push(`${id} got ${position} out of order`);
    else if (place > next) faults.push(`${id} missed ${place - next} before ${position}`);
    next = Math.max(next, place + 1);
    lost = undefined;
  }
  if (hasLeft) return;
  if (lost !== undefined) faults.push(`${id} got no gap after ${lost}, which was lost`);
  else if (next < log.length) faults.push(`${id} missed the last ${log.length - next}`);
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
  counts.gaps = clients.reduce((sum, { entries }) => sum + entries.filter(isGap).length, 0);
  return { faults, counts };
}
