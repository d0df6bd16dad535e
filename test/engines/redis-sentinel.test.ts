import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSentinel } from "@redis/client";
import { afterAll, describe, expect, test } from "vitest";
import type { LogEntry } from "../../src/server/engine.ts";
import { freePort } from "../support/free-port.ts";
import { cleanUp, HISTORY, logOf, publishAll, startNode, textsOf } from "./redis-rig.ts";
import { isMissing, startRedis, until } from "./redis-server.ts";

describe.skipIf(isMissing)("an engine with a Sentinel client", () => {
  const folder = mkdtempSync(join(tmpdir(), "tautline-sentinel-"));
  const ends: (() => void)[] = [];

  cleanUp();
  afterAll(() => {
    for (const end of ends) end();
    rmSync(folder, { recursive: true, force: true });
  });

  test("goes on with the replica that Sentinel made the master", async () => {
    const master = await startRedis("--repl-diskless-sync-delay", "0");
    const replica = await startRedis("--replicaof", "127.0.0.1", String(master.port));
    await until(() => replica.command("INFO", "replication").includes("master_link_status:up"));
    const port = await freePort();
    const file = join(folder, "sentinel.conf");
    writeFileSync(
      file,
      `port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor main 127.0.0.1 ${master.port} 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 3000
`,
    );
    const child = spawn("/usr/bin/redis-server", [file, "--sentinel"], { stdio: "ignore" });
    ends.push(() => child.kill("SIGKILL"));
    await until(() => {
      try {
        // It has found the replica.
        return replica.command("-p", String(port), "SENTINEL", "replicas", "main").includes(String(replica.port));
      } catch {
        return false;
      }
    }, 20_000);
    const client = createSentinel({ name: "main", sentinelRootNodes: [{ host: "127.0.0.1", port }] });
    const { engine, states } = startNode(client, { timeoutMs: 3_000 });
    const seen: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    await publishAll(engine, "a", "1", "2");
    await until(() => seen.length === 2);
    await until(() => replica.command("DBSIZE") === "2");
    await master.kill();
    await until(async () => {
      const published = await engine.publish("a", "3", { history: HISTORY, id: "third" }).catch(() => undefined);
      return published !== undefined;
    }, 30_000);
    await until(() => states.at(-1) === "up");
    await publishAll(engine, "a", "4");
    await until(() => seen.at(-1)?.data === "4");
    expect(await logOf(engine, "a")).toEqual(["1", "2", "3", "4"]);
    expect(textsOf(seen)?.slice(0, 2)).toEqual(["1", "2"]);
  }, 60_000);
});
