// The account at the end: what clients and nodes noted, and what Redis has.
import { existsSync, readFileSync } from "node:fs";
import { createClient } from "@redis/client";
import { redisEngine } from "tautline/engines/redis";
import { HISTORY_SIZE, MEMBERS_OF_ROOM } from "./cluster.mjs";
import { audit } from "./ledger.mjs";

/** For how long the others may see a member that left while its node was dead. */
const GHOST_MS = 10_000;

const readLines = (path) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.endsWith("]"))
    .map((line) => JSON.parse(line));

/** Reads the log of each room, as Redis has it. */
async function readLogs(port, rooms, fail) {
  const engine = redisEngine({ client: createClient({ socket: { host: "127.0.0.1", port } }) });
  const logs = {};
  for (let room = 0; room < rooms; room++) {
    const channel = `room:${room}`;
    let from = { last: HISTORY_SIZE };
    const log = [];
    for (;;) {
      const part = await engine.read(channel, from, { messages: 500, bytes: 2 ** 20 });
      for (const { data, position } of part?.entries ?? []) {
        const { from: sender, n } = JSON.parse(data);
        log.push([sender, n, position]);
      }
      const last = part?.entries.at(-1)?.position;
      if (last === undefined || last === part.head) break;
      from = { after: last };
    }
    if (log.length >= HISTORY_SIZE) fail(`the log of ${channel} does not hold the whole run`);
    logs[channel] = log;
  }
  await engine.close();
  return logs;
}

/** Members that left while their node was dead are seen to leave once, when its lease is over at the latest. */
function checkGhosts(clients, { quitters, killedAt, quitAt }, fail) {
  for (const gone of quitters) {
    const room = `room:${Math.floor(Number(gone.slice(1)) / MEMBERS_OF_ROOM)}`;
    for (const { id, leaves } of clients.filter(({ channel, hasLeft }) => channel === room && !hasLeft)) {
      const left = leaves.filter(([who]) => who === gone);
      const [, at = Number.POSITIVE_INFINITY] = left[0] ?? [];
      if (left.length !== 1) fail(`${id} saw ${gone} leave ${left.length} times`);
      // A client of a busy machine may have been there until it was closed.
      const ghostMs = at - Math.max(killedAt, quitAt[gone]);
      if (ghostMs > GHOST_MS) fail(`${id} saw the ghost of ${gone} for ${ghostMs} ms`);
    }
  }
}

/** Compares all that was noted. `history` has what the cases did: who quit and when, and when Redis lost writes. */
export async function checkAccount(cluster, rooms, history, { say, fail, failByKind }) {
  const logs = await readLogs(cluster.ports.redis, rooms, fail);
  const clients = cluster.clientLedgers.flatMap((ledger) => JSON.parse(readFileSync(ledger, "utf8")));
  for (const client of clients) client.hasLeft = history.quitters.includes(client.id);
  const lines = cluster.nodeLedgers.flatMap((ledger) => (existsSync(ledger) ? readLines(ledger) : []));
  checkGhosts(clients, history, fail);
  const { faults, counts } = audit({ clients, lines, logs, ...history });
  say(`accounted for: ${JSON.stringify(counts)}`);
  failByKind(faults);
}
