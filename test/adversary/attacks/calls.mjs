// A peer of tautline/rpc that floods: requests, cancellations, batches, identifiers of every JSON type, answers to nothing.
import { frame, rawClient } from "../raw-client.mjs";

const IDS = [0, -1, 2 ** 53, 1.5, "", "x".repeat(1_000), null, true, [], {}, { toString: 1 }];
const METHODS = [
  "echo",
  "wait",
  "fail",
  "missing",
  "__proto__",
  "constructor",
  "$/cancelRequest",
  "$/none",
  "",
  5,
  null,
];
const PARAMS = [undefined, null, {}, [], { id: 1 }, 5, "x", { text: "x".repeat(10_000) }];
const pick = (items) => items[Math.floor(Math.random() * items.length)];

const request = (id = pick(IDS), method = pick(METHODS)) => ({ jsonrpc: "2.0", id, method, params: pick(PARAMS) });
const FRAMES = {
  requests: () => request(),
  notifications: () => ({ jsonrpc: "2.0", method: pick(METHODS), params: pick(PARAMS) }),
  cancellations: () => ({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: pick(IDS) } }),
  answers: () => ({ jsonrpc: "2.0", id: pick(IDS), result: 1, error: pick([undefined, null, 5, { code: 1 }]) }),
  batches: () => Array.from({ length: 1_000 }, () => pick([request, FRAMES.cancellations, FRAMES.answers])()),
  /** One request that never ends holds the answers to all others. */
  held: () => [request(Math.random(), "wait"), ...Array(1_100).fill(5)],
};

/** Floods with frames of one kind, from clients of which half do not read. */
const flood = (make) => async (port, isOver, spent) => {
  await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      while (!isOver()) {
        spent.connections++;
        const client = await rawClient(port, { path: "/rpc", reads: n % 2 === 0 });
        while (client.isOpen && !isOver()) {
          const bytes = frame(JSON.stringify(make()));
          spent.bytes += bytes.length;
          // A server that holds a client back makes it come again.
          const isTaken = await Promise.race([client.write(bytes), new Promise((end) => setTimeout(end, 500))]);
          if (!isTaken) break;
        }
        client.socket.destroy();
      }
    }),
  );
};

export const calls = Object.fromEntries(
  Object.entries(FRAMES).map(([name, make]) => [`calls: a flood of ${name}`, flood(make)]),
);
