// Clients in rooms of the Redis bench, in a process of their own: Conns with a room each, or bare ws that reconnects.
import { createRequire } from "node:module";
import { channels } from "../../dist/node/channels.mjs";
import { Conn, exponential, json } from "../../dist/node/index.mjs";

const { WebSocket } = createRequire(import.meta.url)("ws");
const { kind, ports, first, count, residents = 0, membersOfRoom } = JSON.parse(process.argv[2]);
/** Dials at once in the beginning: more would fill the queue of the listening socket. */
const AT_ONCE = 100;
/** The rooms of clients that stay where they are, from this number on. */
const FIRST_RESIDENT = 1_000_000;
/** Both kinds wait as long between two dials: the default of a Conn. */
const backoff = exponential();
const clients = [];
/** Whether the first node counts as dead, so that nobody dials it. */
let isMoved = false;
const portOf = (number) => (isMoved || number >= FIRST_RESIDENT ? ports[1 + (number % (ports.length - 1))] : ports[0]);
const urlOf = (number) => `ws://127.0.0.1:${portOf(number)}/feed`;

/** A client with its room. It is live once the room is attached, and has the message that it missed. */
function createMember(number) {
  // Every connection counts as stable at once, as for the other kind.
  const conn = new Conn(() => urlOf(number), { codec: json(), backoff, stableAfterMs: 0 });
  const room = channels(conn).subscribe(`room:${Math.floor(number / membersOfRoom)}`);
  const member = { ready: room.ready, received: 0, gaps: 0 };
  const look = () => {
    if (room.state === "attached" && member.received === member.expected) member.onLive?.();
  };
  room.on("message", () => {
    member.received++;
    look();
  });
  room.on("gap", () => member.gaps++);
  room.on("state", look);
  return member;
}

/** A socket that dials again after each loss, and is live once it is open. */
function createBare(number) {
  const member = { received: 0, gaps: 0 };
  let attempt = 1;
  const dial = () => {
    const socket = new WebSocket(urlOf(number), { perMessageDeflate: false });
    socket.on("error", () => {});
    socket.on("open", () => {
      attempt = 1;
      member.onLive?.();
    });
    socket.on("close", () => setTimeout(dial, backoff(attempt++)));
  };
  member.ready = new Promise((resolve) => {
    member.onLive = resolve;
  });
  dial();
  return member;
}

const create = kind === "ws" ? createBare : createMember;

const commands = {
  async dial() {
    // These have the nodes to which others come later compile their code.
    await Promise.all(Array.from({ length: residents }, (_, i) => create(FIRST_RESIDENT + first + i).ready));
    while (clients.length < count) {
      const from = clients.length;
      const part = Math.min(AT_ONCE, count - from);
      for (let i = 0; i < part; i++) clients.push(create(first + from + i));
      await Promise.all(clients.slice(from).map(({ ready }) => ready));
    }
  },
  /** Resolves once each client has received so many messages. */
  async untilReceived({ count: wanted }) {
    while (clients.some(({ received }) => received < wanted)) await new Promise((resolve) => setTimeout(resolve, 5));
  },
  /** From now on the first node is dead. Call it before its end. */
  move() {
    isMoved = true;
    const returned = clients.map(
      (member) =>
        new Promise((resolve) => {
          member.expected = 1;
          member.onLive = resolve;
        }),
    );
    commands.returned = () => Promise.all(returned).then(() => clients.reduce((sum, { gaps }) => sum + gaps, 0));
  },
};
process.on("message", async ({ type, ...rest }) => {
  process.send({ type, answer: await commands[type](rest) });
});
process.send({ type: "ready" });
