// What a process and a page do alike with a connection.

/** Above so many buffered bytes a sender waits; tautline waits at the same mark by itself. */
export const HIGH_WATER_BYTES = 1024 * 1024;

/** Hears values, and lets one task at a time wait for them. */
export function ear() {
  let listener = () => {};
  return {
    heard: (value) => listener(value),
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
 * Each makes a function that does one round. `open` takes a path, options and who hears; `measured` a count of messages and
 * the work with them.
 */
export function messages(open, measured) {
  return {
    /** So many messages up, in bursts of one turn each. */
    async up({ count, burst, ...shape }) {
      const { heard, each } = ear();
      const client = await open(`/sink?every=${count}`, {}, heard);
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

    /** So many messages down, as fast as they come. */
    async down({ count, bytes }) {
      const { heard, each } = ear();
      const client = await open(`/flood?count=${count}&bytes=${bytes}`, {}, heard);
      return () =>
        measured(count, async () => {
          let seen = 0;
          const done = each(() => ++seen === count);
          client.send("go");
          await done;
        });
    },

    /** So many calls that are answered with their parameters, never more than so many pending. */
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

    /** So many messages there and back, never more than so many on their way. */
    async echo({ count, inFlight, ...shape }) {
      const { heard, each } = ear();
      const client = await open("/echo", { isJson: shape.kind === "json" }, heard);
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
