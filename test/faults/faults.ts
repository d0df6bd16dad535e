import { type FaultScenario, HEARTBEAT } from "./fault-scenario.ts";

/** A dead connection is known within this. */
const DEAD_MS = HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs;
/** With the platform's news of it a connection's end is known at once. */
const AT_ONCE_MS = 0;
const { SILENT, DROPPED } = {
  SILENT: { code: 1006, clean: false, cause: { code: "timeout" } },
  DROPPED: { code: 1006, clean: false },
};

export interface Fault {
  readonly name: string;
  readonly act: (scenario: FaultScenario) => unknown;
  readonly lost: object;
  /** The longest time until the Conn knows, when the machine is not busy. */
  readonly withinMs: number;
}

const closes = [1001, 1011, 1012, 1013, 4000, 4500].map(
  (code): Fault => ({
    name: `a close with ${code}`,
    act: ({ peer }) => peer.each((socket) => socket.close(code, "why")),
    lost: { code, reason: "why", clean: true },
    withinMs: AT_ONCE_MS,
  }),
);

export const faults: readonly Fault[] = [
  ...closes,
  { name: "a FIN", act: ({ proxy }) => proxy.cut(), lost: DROPPED, withinMs: AT_ONCE_MS },
  { name: "an RST", act: ({ proxy }) => proxy.reset(), lost: DROPPED, withinMs: AT_ONCE_MS },
  {
    name: "an end in the middle of a frame to us",
    act: ({ proxy }) => proxy.cutInFrame("client"),
    lost: DROPPED,
    withinMs: AT_ONCE_MS,
  },
  {
    name: "an end in the middle of a frame from us",
    act: ({ proxy }) => proxy.cutInFrame("server"),
    lost: DROPPED,
    withinMs: AT_ONCE_MS,
  },
  { name: "a black hole", act: ({ proxy }) => proxy.blackhole(), lost: SILENT, withinMs: DEAD_MS },
  {
    name: "a network that carries nothing to us",
    act: ({ proxy }) => proxy.blackhole("client"),
    lost: SILENT,
    withinMs: DEAD_MS,
  },
  {
    name: "a network that carries nothing from us",
    act: ({ proxy, peer }) => {
      peer.hush();
      proxy.blackhole("server");
    },
    lost: SILENT,
    withinMs: DEAD_MS,
  },
  {
    name: "a connection that only we still have",
    act: ({ proxy }) => proxy.halfOpen("server"),
    lost: SILENT,
    withinMs: DEAD_MS,
  },
  {
    name: "garbage",
    act: ({ proxy }) => proxy.inject("client", Buffer.from("HTTP/1.1 502 Bad Gateway\r\n\r\n")),
    lost: DROPPED,
    withinMs: AT_ONCE_MS,
  },
  {
    name: "garbage to the server",
    act: ({ proxy }) => proxy.inject("server", Buffer.from("HTTP/1.1 502 Bad Gateway\r\n\r\n")),
    lost: {},
    withinMs: AT_ONCE_MS,
  },
];
