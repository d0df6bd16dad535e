// npm run capacity -- --clients 1000000: how many nodes and Redis servers so many clients take, by arithmetic from the costs below.
import { parseArgs } from "node:util";

/**
 * Measured costs, each with the command that prints it. `docs/guides/capacity.md` has the same table, and a test compares
 * both.
 */
export const COSTS = {
  connectionBytes: {
    value: 26_000,
    unit: "bytes",
    what: "a connection with a channel, of a node's memory",
    from: "node",
  },
  connectUs: { value: 500, unit: "µs", what: "a client that connects and subscribes, of a node", from: "node" },
  idleUs: { value: 8, unit: "µs", what: "a connection at rest, of a node each second", from: "node" },
  publishUs: { value: 13, unit: "µs", what: "a publish, of the node that makes it", from: "operations" },
  entryUs: { value: 31, unit: "µs", what: "an entry that a node receives, of that node", from: "node" },
  deliveryUs: { value: 6.4, unit: "µs", what: "a delivery to one connection, of a node", from: "node" },
  redisPublishUs: { value: 11, unit: "µs", what: "a publish, of Redis", from: "operations" },
  redisReceiverUs: { value: 0.4, unit: "µs", what: "each node that receives it, of Redis besides", from: "node" },
  keptBytes: {
    value: 341,
    unit: "bytes",
    what: "a message of 256 bytes that is kept, of Redis's memory",
    from: "operations",
  },
};

/** The load and the bounds that you choose, each with its meaning. */
export const CHOICES = {
  clients: { value: 1_000_000, what: "clients, with one channel each" },
  members: { value: 100, what: "clients in each channel" },
  minutes: { value: 1, what: "minutes between two publishes of a client" },
  history: { value: 100, what: "messages that each channel keeps" },
  share: { value: 0.5, what: "share of a core that is planned with; the rest is for peaks" },
  memory: { value: 2, what: "GiB of memory for the connections of one node, which is one process on one core" },
  return: { value: 30, what: "seconds within which the clients of a node that died are to be back on the others" },
};

const US = 1_000_000;
const GIB = 2 ** 30;

/** The nodes that have at least one of so many members: those of a channel are spread at random. */
const spread = (nodes, members) => nodes * (1 - (1 - 1 / nodes) ** members);

/** Counts what the load takes. */
export function plan(
  choices,
  costs = Object.fromEntries(Object.entries(COSTS).map(([name, { value }]) => [name, value])),
) {
  const { clients, members, minutes, history, share, memory } = choices;
  const publishes = clients / (60 * minutes);
  const deliveries = publishes * members;
  /** Seconds of processor time in each second on all nodes together, if there are so many. */
  const busy = (nodes) =>
    (publishes * (costs.publishUs + spread(nodes, members) * costs.entryUs) +
      deliveries * costs.deliveryUs +
      clients * costs.idleUs) /
    US;
  const byMemory = Math.ceil((clients * costs.connectionBytes) / (memory * GIB));
  let byProcessor = 1;
  // More nodes share the work, and each of them receives entries besides.
  while (busy(byProcessor) > byProcessor * share) byProcessor++;
  /** Seconds in which the others take over the clients of one, with what is planned to be free. */
  const returnSeconds = (nodes) =>
    ((clients / nodes) * (costs.connectUs / US)) / Math.max(1, nodes - 1) / Math.max(1e-9, 1 - busy(nodes) / nodes);
  let byReturn = Math.max(2, byProcessor);
  while (returnSeconds(byReturn) > choices.return) byReturn++;
  const nodes = Math.max(byMemory, byProcessor, byReturn);
  const redisBusy = (publishes * (costs.redisPublishUs + spread(nodes, members) * costs.redisReceiverUs)) / US;
  return {
    publishes,
    deliveries,
    nodes,
    byMemory,
    byProcessor,
    byReturn,
    connections: clients / nodes,
    nodeBusy: busy(nodes) / nodes,
    receivers: spread(nodes, members),
    returnSeconds: returnSeconds(nodes),
    redisBusy,
    redisServers: Math.max(1, Math.ceil(redisBusy / share)),
    redisGib: ((clients / members) * history * costs.keptBytes) / GIB,
  };
}

const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value) => `${number(value * 100)} %`;

/** Names the bound that asks for the most. */
function limitOf({ nodes, byMemory, byProcessor, redisServers }) {
  if (redisServers > 1) return "Redis, which runs commands on one core";
  if (nodes === byProcessor) return "the processors of the nodes";
  return nodes === byMemory ? "the memory of the nodes" : "the return of a node's clients";
}

/** Returns the plan as rows of Markdown. */
export function table(choices) {
  const found = plan(choices);
  const rows = [
    ["publishes a second", number(found.publishes)],
    ["deliveries a second", number(found.deliveries)],
    ["nodes that the memory of connections needs", number(found.byMemory)],
    ["nodes that the work needs", number(found.byProcessor)],
    ["nodes that the return of one node's clients needs", number(found.byReturn)],
    ["**nodes**", `**${number(found.nodes)}**`],
    ["connections on each", number(found.connections)],
    ["of its core in use", percent(found.nodeBusy)],
    ["nodes that receive a publish", number(found.receivers, 1)],
    ["clients of a node that died are back after", `${number(found.returnSeconds, 1)} s`],
    ["of one Redis's core in use", percent(found.redisBusy)],
    ["**servers of Redis**", `**${number(found.redisServers)}**`],
    ["memory of Redis for the logs", `${number(found.redisGib, 2)} GiB`],
    ["what limits first", limitOf(found)],
  ];
  return ["| | |", "|---|--:|", ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n");
}

/** Reads the choices from a command line. Throws for a number that can't be. */
export function choose(args) {
  const options = Object.fromEntries(Object.keys(CHOICES).map((name) => [name, { type: "string" }]));
  const { values } = parseArgs({ args, options });
  const choices = Object.fromEntries(
    Object.entries(CHOICES).map(([name, { value }]) => [name, Number(values[name] ?? value)]),
  );
  for (const [name, value] of Object.entries(choices)) {
    if (!(value > 0 && Number.isFinite(value)))
      throw new Error(`--${name} must be a number above 0; got ${JSON.stringify(values[name])}.`);
  }
  if (choices.share >= 1) throw new Error(`--share must be below 1; got ${choices.share}.`);
  return choices;
}

if (import.meta.filename === process.argv[1]) {
  try {
    console.log(table(choose(process.argv.slice(2))));
  } catch (error) {
    console.error(error.message);
    console.error(
      Object.entries(CHOICES)
        .map(([name, { value, what }]) => `--${name} ${value}: ${what}`)
        .join("\n"),
    );
    process.exitCode = 1;
  }
}
