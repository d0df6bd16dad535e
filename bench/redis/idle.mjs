// Commands of Redis while nothing happens, with few clients and with many: the difference is what idle clients cost.
import { start } from "../programs.mjs";
import { commandsOf, forgetCommands } from "./redis-info.mjs";

const MEMBERS_OF_ROOM = 10;
const SETTLE_MS = 1_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Counts the commands of so many seconds with so many clients on one node, whose rooms are as many in any case. */
async function sample(port, count, rooms, seconds) {
  const node = start("bench/redis/node.mjs", "hub", port, 1);
  const ports = [await node.answerTo("listening")];
  const task = { kind: "hub", ports, first: 0, count, membersOfRoom: count / rooms };
  const clients = start("bench/redis/rooms.mjs", JSON.stringify(task));
  try {
    await clients.answerTo("ready");
    await clients.ask("dial");
    await pause(SETTLE_MS);
    forgetCommands(port);
    await pause(seconds * 1_000);
    return commandsOf(port);
  } finally {
    await Promise.all([clients.end(), node.end()]);
  }
}

export async function measureIdle(port, { clients, idle }) {
  const rooms = Math.ceil(clients / MEMBERS_OF_ROOM / MEMBERS_OF_ROOM);
  const counts = [rooms, rooms * MEMBERS_OF_ROOM * MEMBERS_OF_ROOM];
  const found = [];
  for (const count of counts) found.push(await sample(port, count, rooms, idle));
  const sums = found.map((commands) => [...commands.values()].reduce((sum, calls) => sum + calls, 0));
  console.log(`\nCommands of Redis in ${idle} s in which nothing happens, ${rooms} channels on one node\n`);
  console.log("| clients | commands | of them |\n|--:|--:|---|");
  counts.forEach((count, at) => {
    const kinds = [...found[at]].map(([name, calls]) => `${calls} \`${name}\``).join(", ");
    console.log(`| ${count} | ${sums[at]} | ${kinds || "none"} |`);
  });
  const each = (sums[1] - sums[0]) / (counts[1] - counts[0]) / idle;
  // A timer of the node falls into one time, and not into the other.
  console.log(`\nAn idle connection: ${Math.abs(each).toFixed(2)} commands a second`);
}
