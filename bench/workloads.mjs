// The tasks that a process and a page share.

/** A sender waits above so many buffered bytes; tautline waits at the same mark by itself. */
export const HIGH_WATER_BYTES = 1024 * 1024;

/** Receives values, and lets one task at a time wait for them. */
export function observer() {
  let listener = () => {};
  return {
    onMessage: (value) => listener(value),
    each(act) {
      return new Promise((resolve) => {
        listener = (value) => {
          if (act(value)) resolve();
        };
      });
    },
  };
}

export function value({ kind, bytes }) {
  if (kind === "text") return "x".repeat(bytes);
  if (kind === "binary") return new Uint8Array(bytes);
  const tick = {
    id: 1234567,
    symbol: "TAUT",
    bid: 101.25,
    ask: 101.5,
    at: "2026-11-25T12:00:00.000Z",
    tags: ["a", "b"],
  };
  return { ...tick, note: "n".repeat(Math.max(0, bytes - JSON.stringify({ ...tick, note: "" }).length)) };
}

/**
 * Creates tasks, each of which returns a function that does one round. `open` takes a path, options and a listener;
 * `measured` takes a count of messages and the work.
 */
export function messages(open, measured) {
  return {
    /** Sends so many messages, in bursts of one turn each. */
    async up({ count, burst, ...shape }) {
      const { onMessage, each } = observer();
      const client = await open(`/sink?every=${count}`, {}, onMessage);
      const data = value(shape);
      return () =>
        measured(count, async () => {
          const done = each(() => true);
          for (let sent = 0; sent < count; sent += burst) {
            for (let i = 0; i < burst; i++) client.send(data);
            await client.room();
          }
          await done;
        });
    },

    /** Receives so many messages, as fast as they come. */
    async down({ count, bytes }) {
      const { onMessage, each } = observer();
      const client = await open(`/flood?count=${count}&bytes=${bytes}`, {}, onMessage);
      return () =>
        measured(count, async () => {
          let seen = 0;
          const done = each(() => ++seen === count);
          client.send("go");
          await done;
        });
    },

    /** Makes so many calls that are answered with their parameters, with no more than so many pending. */
    async calls({ count, inFlight, bytes }) {
      const client = await open("/call", {}, () => {});
      const params = { note: "n".repeat(bytes - JSON.stringify({ note: "" }).length) };
      return () =>
        measured(count, async () => {
          let called = 0;
          const callOn = async () => {
            while (called++ < count) await client.call(params);
          };
          await Promise.all(Array.from({ length: inFlight }, callOn));
        });
    },

    /** Echoes so many messages, with no more than so many under way. */
    async echo({ count, inFlight, ...shape }) {
      const { onMessage, each } = observer();
      const client = await open("/echo", { isJson: shape.kind === "json" }, onMessage);
      const data = value(shape);
      return () =>
        measured(count, async () => {
          const sentAt = [];
          const took = [];
          let sent = 0;
          const send = () => {
            if (inFlight === 1) sentAt.push(performance.now());
            sent++;
            client.send(data);
          };
          let seen = 0;
          const done = each(() => {
            if (inFlight === 1) took.push(performance.now() - sentAt[seen]);
            seen++;
            if (sent < count) send();
            return seen === count;
          });
          for (let i = 0; i < inFlight; i++) send();
          await done;
          took.sort((a, b) => a - b);
          const at = (part) => took[Math.floor(took.length * part)] * 1_000;
          return inFlight === 1 ? { p50Us: at(0.5), p99Us: at(0.99) } : {};
        });
    },
  };
}
