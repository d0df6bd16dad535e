import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy on loopback that does to connections what networks do. */
export interface FaultProxy {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** Ends every connection with a FIN, both ways. */
  cut(): void;
  /** Ends every connection with an RST, both ways. */
  reset(): void;
  /** Hands on each byte `ms` later, from now on. */
  delay(ms: number): void;
  /** Takes connections and bytes and hands on nothing, without a word. */
  black(): void;
  /** Refuses connections. Those that are open stay. */
  refuse(): Promise<void>;
  /** Back to normal. A connection that lost bytes in the dark stays dark, since what follows would make no sense. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

/** One connection: the client's side of it and the target's. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  isDark: boolean;
}

export async function faultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let delayMs = 0;
  let isBlack = false;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: targetPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const pair: Pair = { near, far, isDark: false };
    pairs.add(pair);
    carry(pair, near, far);
    carry(pair, far, near);
  });

  function carry(pair: Pair, from: Socket, to: Socket): void {
    /** Does `act` in its turn, unless the dark swallows it. */
    const later = (act: () => void) => {
      if (isBlack) pair.isDark = true;
      if (pair.isDark) return;
      if (delayMs === 0) act();
      else setTimeout(() => pair.isDark || act(), delayMs);
    };
    from.on("data", (chunk) => later(() => to.write(chunk)));
    from.on("end", () => later(() => to.end()));
    from.on("error", () => later(() => to.resetAndDestroy()));
    from.on("close", () => {
      if (to.destroyed) pairs.delete(pair);
      else later(() => to.end());
    });
  }

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  /** The callback of close() waits for connections, the port does not. */
  const shut = () => {
    if (server.listening) server.close();
  };
  const each = (act: (socket: Socket) => void) => {
    for (const { near, far } of pairs) for (const socket of [near, far]) act(socket);
  };

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get connections() {
      return pairs.size;
    },
    cut: () => each((socket) => socket.end()),
    reset: () => each((socket) => socket.resetAndDestroy()),
    delay(ms) {
      delayMs = ms;
    },
    black() {
      isBlack = true;
    },
    async refuse() {
      shut();
    },
    async heal() {
      isBlack = false;
      delayMs = 0;
      if (!server.listening) await listen(port);
    },
    async close() {
      shut();
      each((socket) => socket.destroy());
    },
  };
}
