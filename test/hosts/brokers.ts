import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FaultProxy } from "../../src/testing/index.ts";
import { freePort } from "../support/free-port.ts";
import { untilListening } from "../support/until-listening.ts";
import { tautline } from "./packages.ts";

/** A broker of Debian: its program, and the configuration that makes it speak WebSocket on a port. */
interface Broker {
  readonly program: string;
  args(config: string): string[];
  config(port: number, plainPort: number): string;
}

export const MOSQUITTO: Broker = {
  program: "/usr/sbin/mosquitto",
  args: (config) => ["-c", config],
  // It speaks WebSocket only beside a plain listener.
  config: (port, plainPort) => `listener ${plainPort} 127.0.0.1
listener ${port} 127.0.0.1
protocol websockets
socket_domain ipv4
allow_anonymous true
`,
};

export const NATS: Broker = {
  program: "/usr/sbin/nats-server",
  args: (config) => ["-c", config],
  config: (port, plainPort) => `listen: "127.0.0.1:${plainPort}"
websocket { listen: "127.0.0.1:${port}", no_tls: true }
`,
};

/** Whether the tests of a broker are left out: where it is not installed, but in CI. */
export const isMissing = ({ program }: Broker) => !existsSync(program) && process.env.CI !== "true";

/** A broker behind the fault proxy. */
export interface BrokerLine {
  readonly url: string;
  readonly proxy: FaultProxy;
  close(): Promise<void>;
}

export async function startBroker({ program, args, config }: Broker): Promise<BrokerLine> {
  const { faultProxy } = await tautline();
  const folder = mkdtempSync(join(tmpdir(), "tautline-broker-"));
  const file = join(folder, "broker.conf");
  const port = await freePort();
  writeFileSync(file, config(port, await freePort()));
  const child = spawn(program, args(file), { stdio: "ignore", cwd: folder });
  await untilListening(port);
  const proxy = await faultProxy(port, { seed: 7 });
  return {
    url: `ws://127.0.0.1:${proxy.port}`,
    proxy,
    async close() {
      await proxy.close();
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
