// Subscribers of channels over bare sockets, of which many stop reading on command. Prints lines of JSON.
import { WebSocket } from "ws";

const [, , port, slowCount, fastCount] = process.argv.map(Number);
const CHANNELS = ["all", "newest", "fitting"];
/** Bytes in which a message of 1 kB has all but its data. */
const LONG = 256;
/** How the data begins. */
const DATA = '"xxxx';

interface Subscriber {
  readonly socket: WebSocket;
  readonly channel: string;
  position: unknown;
  count: number;
  gaps: number;
  holes: number;
  last: unknown;
}

function connect(channel: string): Promise<Subscriber> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  const one: Subscriber = { socket, channel, position: undefined, count: 0, gaps: 0, holes: 0, last: undefined };
  socket.on("open", () => {
    socket.send(
      JSON.stringify({ jsonrpc: "2.0", method: "$/subscribe", params: { channels: { [channel]: {} } }, id: 1 }),
    );
  });
  return new Promise((resolve) => {
    socket.on("message", (frame: Buffer) => {
      const { method, params } = parse(frame);
      if (method === "$/attached") {
        one.position = params[1];
        if (params[3]) one.gaps++;
        resolve(one);
      } else if (method === "$/message") {
        if (params[1] !== one.position) one.holes++;
        one.position = params[2];
        one.last = params[3];
        one.count++;
      }
    });
  });
}

/** Reads a frame. The data of a message is its last few bytes, because a process that reads for thousands has no time for more. */
function parse(frame: Buffer): { readonly method: string; readonly params: readonly unknown[] } {
  if (frame.length < LONG) return JSON.parse(String(frame));
  const start = frame.toString("latin1", 0, LONG);
  return JSON.parse(`${start.slice(0, start.indexOf(DATA))}${DATA}"]}`);
}

async function connectAll(count: number, channels: readonly string[]): Promise<Subscriber[]> {
  const all: Subscriber[] = [];
  for (let start = 0; start < count; start += 100) {
    const part = Array.from({ length: Math.min(100, count - start) }, (_, i) =>
      connect(channels[(start + i) % channels.length] as string),
    );
    all.push(...(await Promise.all(part)));
  }
  return all;
}

const slow = await connectAll(slowCount as number, CHANNELS);
const fast = await connectAll(fastCount as number, ["all"]);
for (const { socket } of slow) socket.pause();
console.log(JSON.stringify({ phase: "connected" }));

const rangeOf = (counts: readonly number[]) => [Math.min(...counts), Math.max(...counts)];
const report = (subscribers: readonly Subscriber[]) => ({
  subscribers: subscribers.length,
  counts: subscribers.length > 0 ? rangeOf(subscribers.map(({ count }) => count)) : [],
  gaps: subscribers.reduce((sum, { gaps }) => sum + gaps, 0),
  holes: subscribers.reduce((sum, { holes }) => sum + holes, 0),
  atLast: subscribers.filter(({ last }) => last === "last").length,
});
process.on("message", (command: string) => {
  if (command === "resume") {
    for (const { socket } of slow) socket.resume();
    console.log(JSON.stringify({ phase: "resumed" }));
  } else if (command === "report") {
    const groups = CHANNELS.map((channel) => [channel, report(slow.filter((each) => each.channel === channel))]);
    console.log(JSON.stringify({ phase: "report", fast: report(fast), ...Object.fromEntries(groups) }));
  } else process.exit();
});
