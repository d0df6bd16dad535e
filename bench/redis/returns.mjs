// All clients of a node that is killed come back to the two others, beside bare ws with the same backoff.
import { inTurns, start } from "../programs.mjs";
import { commandsOf, forgetCommands } from "./redis-info.mjs";

const MEMBERS_OF_ROOM = 10;
const CLIENT_PROCESSES = 2;
/** Clients of the other nodes in each process. */
const RESIDENTS = 50;
const NAMES = { ws: "bare `ws` with the same backoff", hub: "**tautline/channels**, one message missed" };

async function sample(port, kind, clients) {
  const nodes = [0, 1, 2].map(() => start("bench/redis/node.mjs", kind, port, 64));
  const ports = await Promise.all(nodes.map((node) => node.answerTo("listening")));
  const count = Math.ceil(clients / CLIENT_PROCESSES);
  const rooms = Math.ceil((count * CLIENT_PROCESSES) / MEMBERS_OF_ROOM);
  const groups = Array.from({ length: CLIENT_PROCESSES }, (_, i) => {
    const task = { kind, ports, first: i * count, count, residents: RESIDENTS, membersOfRoom: MEMBERS_OF_ROOM };
    return start("bench/redis/rooms.mjs", JSON.stringify(task));
  });
  try {
    await Promise.all(groups.map((group) => group.answerTo("ready")));
    for (const group of groups) await group.ask("dial");
    await Promise.all(groups.map((group) => group.ask("move")));
    // The node can't deliver what is published now: everybody misses it.
    nodes[0].signal("SIGSTOP");
    await nodes[1].ask("publishToRooms", { rooms });
    forgetCommands(port);
    const begun = performance.now();
    await nodes[0].end();
    const gaps = await Promise.all(groups.map((group) => group.ask("returned")));
    const ms = performance.now() - begun;
    return { ms, gaps: gaps[0] + gaps[1], rooms, reads: commandsOf(port).get("xrange") ?? 0 };
  } finally {
    await Promise.all([...groups, ...nodes].map((program) => program.end()));
  }
}

export async function measureReturns(port, { clients, rounds }) {
  const medianOf = await inTurns(Object.keys(NAMES), rounds, (kind) => sample(port, kind, clients));
  const { samples } = medianOf;
  const msOf = (kind) => medianOf(kind, "ms");
  const [{ rooms }] = samples.get("hub");
  console.log(
    `\n${clients} clients of a node that is killed are live on two others, ${rooms} channels, median of ${rounds} rounds\n`,
  );
  console.log("| client | all live after | beside bare `ws` | reads of logs | the most that may be | gaps |");
  console.log("|---|--:|--:|--:|--:|--:|");
  for (const [kind, found] of samples) {
    const cells = [
      `${msOf(kind).toFixed(0)} ms`,
      `${(msOf(kind) / msOf("ws")).toFixed(2)}×`,
      Math.max(...found.map(({ reads }) => reads)),
      kind === "ws" ? 0 : 2 * rooms,
      Math.max(...found.map(({ gaps }) => gaps)),
    ];
    console.log(`| ${NAMES[kind]} | ${cells.join(" | ")} |`);
  }
}
