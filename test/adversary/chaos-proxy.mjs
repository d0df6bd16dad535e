// A TCP proxy that breaks each connection at a byte of its own: torn frames, ends, resets, silence, late bytes, replays.
import { connect, createServer } from "node:net";
import { MARK } from "./raw-client.mjs";

/** About what an upgrade takes: most lines get that far, and some break within. */
const MIN_BYTES = 300;
/** An acknowledgement, and the last digit of its count. */
const COUNT = new RegExp(`(${MARK}[aApq] [0-9a-z]*)([0-8a-y])(?![0-9a-z])`, "g");
/** A text that a gateway takes offence at: it ends the connection in its place. Only servers' frames can be read by one. */
export const POISON = "!poison!";
const ENDS = ["fin", "reset", "silence", "late"];

/**
 * @param {number} target the server's port
 * @param {() => number} random from 0 up to 1; the same seed breaks the same connections at the same bytes
 * @param {{ maxBytes: number, miscount: number }} options how far a connection gets, and the share of counts that are raised by one
 */
export async function chaosProxy(target, random, { maxBytes, miscount }) {
  const sockets = new Set();
  /** The bytes that clients sent, for a replay by another connection. */
  const recordings = [];
  let isHealed = false;
  let port = target;
  const dial = () => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    return socket;
  };

  const server = createServer({ noDelay: true }, (client) => {
    sockets.add(client);
    client.on("error", () => {}).on("close", () => sockets.delete(client));
    const upstream = dial();
    const recording = [];
    recordings.push(recording);
    const end = ENDS[Math.floor(random() * ENDS.length)];
    const limits = [random(), random()].map((share) =>
      isHealed ? Number.POSITIVE_INFINITY : MIN_BYTES + Math.floor(share ** 2 * maxBytes),
    );
    let isBroken = false;

    function breakLine() {
      isBroken = true;
      if (end === "reset") for (const socket of [client, upstream]) socket.resetAndDestroy();
      else if (end === "fin") for (const socket of [client, upstream]) socket.end();
      // The client gets a reset at once, and the server gets the rest and the end later.
      else if (end === "late") {
        client.resetAndDestroy();
        setTimeout(() => upstream.end(), 30 + random() * 100);
      } else setTimeout(() => [client, upstream].map((socket) => socket.destroy()), 150 + random() * 200);
    }

    function pipe(from, to, side) {
      let passed = 0;
      from.on("data", (chunk) => {
        if (side === 0 && recording.length < 50) recording.push(chunk);
        if (isBroken && !(end === "late" && side === 0)) return;
        const poison = side === 1 ? chunk.indexOf(POISON) : -1;
        if (poison >= 0) {
          isBroken = true;
          to.write(chunk.subarray(0, poison));
          for (const socket of [client, upstream]) socket.end();
          return;
        }
        const rest = limits[side] - passed;
        passed += chunk.length;
        const bytes = side === 1 && miscount > 0 ? raiseCounts(chunk) : chunk;
        if (chunk.length <= rest || isHealed) return void to.write(bytes);
        if (rest > 0) to.write(bytes.subarray(0, rest));
        if (!isBroken) breakLine();
        if (end === "late" && side === 0) to.write(bytes.subarray(Math.max(0, rest)));
      });
      from.on("close", () => setTimeout(() => to.destroy(), isBroken ? 300 : 0));
    }
    pipe(client, upstream, 0);
    pipe(upstream, client, 1);
  });

  /** Raises the last digit of some acknowledgements from the server: what an implementation that miscounts would say. */
  function raiseCounts(chunk) {
    const text = chunk.toString("latin1");
    const changed = text.replace(COUNT, (all, start, digit) =>
      random() < miscount ? start + String.fromCharCode(digit.charCodeAt(0) + 1) : all,
    );
    return Buffer.from(changed, "latin1");
  }

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    retarget(next) {
      port = next;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    /** Sends again what an earlier client sent, over a connection of its own. */
    replay() {
      const recording = recordings[Math.floor(random() * recordings.length)];
      if (!recording) return;
      const socket = dial();
      // The server's application can't tell a replay from a new client: the path does, for the oracle.
      for (const chunk of recording)
        socket.write(chunk.toString("latin1").replace(/^GET \/ /, "GET /?replayed "), "latin1");
      setTimeout(() => socket.destroy(), 200);
    },
    heal() {
      isHealed = true;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
