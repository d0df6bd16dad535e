import { beforeAll, describe, expect, test } from "vitest";
import type { RedisClientLike } from "../../src/engines/redis.ts";
import type { LogEntry, Position } from "../../src/server/engine.ts";
import { freePort } from "../support/free-port.ts";
import {
  ALL,
  cleanUp,
  HISTORY,
  logOf,
  newPrefix,
  patternOf,
  publishAll,
  startNode,
  startProxy,
  textsOf,
} from "./redis-rig.ts";
import { clientOf, isMissing, type RedisServer, sleep, startRedis, until } from "./redis-server.ts";

/** The time that a busy machine may add to any other. */
const SLACK_MS = 1_000;

describe.skipIf(isMissing)("a server of Redis", () => {
  let redis: RedisServer;

  cleanUp();
  beforeAll(async () => {
    redis = await startRedis();
  });

  /** A master and its replica, and a client that goes to whichever `now` names. */
  async function pair() {
    const master = await startRedis("--repl-diskless-sync-delay", "0");
    const replica = await startRedis("--replicaof", "127.0.0.1", String(master.port));
    await until(() => replica.command("INFO", "replication").includes("master_link_status:up"));
    const now = { port: master.port };
    return { master, replica, now, client: patternOf(() => now.port) };
  }

  test("a failover that loses the last writes is a gap for those who saw them, and for nobody else", async () => {
    const { master, replica, now, client } = await pair();
    const { engine, states } = startNode(client, { timeoutMs: 5_000 });
    const seen: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    const kept = await publishAll(engine, "a", "1", "2", "3");
    const [log] = master.command("--raw", "KEYS", "*:log:a").split("\n");
    await until(() => replica.command("XLEN", log as string) === "3");
    replica.command("REPLICAOF", "127.0.0.1", "1");
    const lost = await publishAll(engine, "a", "lost 4", "lost 5");
    await until(() => seen.length === 5);
    replica.command("REPLICAOF", "NO", "ONE");
    now.port = replica.port;
    await master.kill();
    await until(() => states.join() === "up,down,up");
    // The new entries have the numbers of the lost ones.
    const fresh = await publishAll(engine, "a", "4", "5", "6");
    const numbers = (positions: readonly Position[]) => positions.map((position) => position.split("-")[0]);
    expect(numbers(fresh).slice(0, 2)).toEqual(numbers(lost));
    for (const after of lost) expect(await engine.read("a", { after }, ALL)).toBeUndefined();
    const part = await engine.read("a", { after: kept[2] as Position }, ALL);
    expect(textsOf(part?.entries)).toEqual(["4", "5", "6"]);
    await until(() => seen.length === 8);
    // The reader sees by it that its last entry is not the one before.
    expect(seen[5]?.previous).toBe(kept[2]);
    expect(seen[5]?.previous).not.toBe(lost[1]);
  });

  test("a master that was demoted refuses publishes of each kind, and the engine moves to the new one", async () => {
    const { master, replica, now, client } = await pair();
    const { engine, states } = startNode(client, { timeoutMs: 5_000 });
    await publishAll(engine, "a", "1");
    await until(() => replica.command("DBSIZE") === "2");
    replica.command("REPLICAOF", "NO", "ONE");
    master.command("REPLICAOF", "127.0.0.1", String(replica.port));
    now.port = replica.port;
    const refused = await Promise.allSettled([
      engine.publish("a", "x", { history: HISTORY }),
      engine.publish("b", "x", {}),
      engine.publish("b", "x", { id: "1" }),
    ]);
    for (const result of refused) {
      expect(result).toMatchObject({ reason: { code: "unavailable", message: expect.stringContaining("READONLY") } });
    }
    await until(() => states.join() === "up,down,up");
    await publishAll(engine, "a", "2");
    expect(await logOf(engine, "a")).toEqual(["1", "2"]);
  });

  test("a replica is not used until it is the master", async () => {
    const { replica } = await pair();
    const { engine, errors, states } = startNode(clientOf(replica.port), { timeoutMs: 300 });
    await until(() => errors.length > 0);
    await expect(engine.publish("a", "1", { history: HISTORY })).rejects.toMatchObject({ code: "unavailable" });
    expect(errors[0]).toMatchObject({ code: "unavailable", message: expect.stringContaining("READONLY") });
    expect(states).toEqual([]);
    replica.command("REPLICAOF", "NO", "ONE");
    await until(() => states.at(-1) === "up");
    await publishAll(engine, "a", "1");
  });

  /** A node of Redis Cluster, with the port of its bus: by default it is one that the kernel may have given away. */
  async function startClusterNode() {
    const bus = String(await freePort());
    return { redis: await startRedis("--cluster-enabled", "yes", "--cluster-port", bus), bus };
  }

  test("a server of a Redis Cluster is a clear error", async () => {
    const { redis: cluster } = await startClusterNode();
    const { engine, errors } = startNode(clientOf(cluster.port), { timeoutMs: 2_000 });
    const error = {
      code: "unsupported",
      message: expect.stringMatching(/Redis Cluster is not supported.*cluster-enabled/),
    };
    await expect(engine.publish("a", "1", { history: HISTORY })).rejects.toMatchObject(error);
    expect(errors).toEqual([expect.objectContaining(error)]);
  });

  test("a cluster that hides its settings and has no node for a slot is the same error", async () => {
    const { redis: cluster } = await startClusterNode();
    cluster.command("ACL", "SETUSER", "default", "-info");
    cluster.command("CLUSTER", "ADDSLOTSRANGE", "0", "8191");
    const { engine, errors } = startNode(clientOf(cluster.port), { timeoutMs: 1_000 });
    const error = { code: "unsupported", message: expect.stringMatching(/Redis Cluster.*(CLUSTERDOWN|CROSSSLOT)/) };
    await expect(engine.publish("a", "1", { history: HISTORY })).rejects.toMatchObject(error);
    expect(errors).toContainEqual(expect.objectContaining(error));
  });

  test("a reply MOVED of two joined nodes that hide their settings is the same error, on whichever node", async () => {
    const [{ redis: first }, { redis: second, bus }] = [await startClusterNode(), await startClusterNode()];
    const nodes = [first, second];
    first.command("CLUSTER", "ADDSLOTSRANGE", "0", "8191");
    second.command("CLUSTER", "ADDSLOTSRANGE", "8192", "16383");
    first.command("CLUSTER", "MEET", "127.0.0.1", String(second.port), bus);
    await until(() => nodes.every((node) => node.command("CLUSTER", "INFO").includes("cluster_state:ok")));
    for (const node of nodes) node.command("ACL", "SETUSER", "default", "-info");
    // As many channels as it takes to find one that each node refuses: their tags lie in slots of both.
    const channels = Array.from({ length: 20 }, (_, i) => `channel-${i}`);
    for (const { port } of nodes) {
      const { engine, errors } = startNode(clientOf(port), { timeoutMs: 1_000 });
      const published = await Promise.allSettled(
        channels.map((channel) => engine.publish(channel, "1", { history: HISTORY })),
      );
      const refused = published.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
      const other = port === first.port ? second.port : first.port;
      const error = {
        code: "unsupported",
        message: expect.stringMatching(`Redis Cluster is not supported, and it replied MOVED \\d+ 127.0.0.1:${other}`),
      };
      expect(refused.length).toBeGreaterThan(0);
      expect(refused.length).toBeLessThan(channels.length);
      for (const reason of refused) expect(reason).toMatchObject(error);
      expect(errors).toContainEqual(expect.objectContaining(error));
    }
  });

  test("a policy that evicts keys is a warning, and nothing else", async () => {
    const own = await startRedis("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru");
    const { engine, errors } = startNode(clientOf(own.port));
    await publishAll(engine, "a", "1");
    expect(errors).toMatchObject([{ code: "unsupported", message: expect.stringContaining("allkeys-lru") }]);
  });

  test("a Redis without memory refuses publishes, and goes on when there is some", async () => {
    const own = await startRedis("--maxmemory", "1", "--maxmemory-policy", "noeviction");
    const { engine } = startNode(clientOf(own.port));
    const publish = engine.publish("a", "1", { history: HISTORY });
    await expect(publish).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("OOM") });
    own.command("CONFIG", "SET", "maxmemory", "0");
    await publishAll(engine, "a", "2");
    expect(await logOf(engine, "a")).toEqual(["2"]);
  });

  test("two applications on one Redis have nothing in common but the server", async () => {
    const [here, there] = [newPrefix(), newPrefix()].map(
      (prefix) => startNode(clientOf(redis.port), { prefix }).engine,
    );
    if (!here || !there) throw new Error("Two nodes were asked for.");
    const seen: LogEntry[] = [];
    await there.subscribe("a", HISTORY, (entry) => seen.push(entry));
    await here.setMember("a", "ann", "");
    await publishAll(here, "a", "1");
    await publishAll(there, "a", "2");
    await until(() => seen.length > 0);
    expect(textsOf(seen)).toEqual(["2"]);
    expect(await logOf(there, "a")).toEqual(["2"]);
    expect([...(await there.members("a"))]).toEqual([]);
  });

  test("a password is that of the client, and a wrong one is reported", async () => {
    const own = await startRedis("--requirepass", "secret");
    const right = clientOf(own.port, { password: "secret" });
    const { engine } = startNode(right);
    await publishAll(engine, "a", "1");
    const { engine: other, errors } = startNode(clientOf(own.port, { password: "wrong" }), { timeoutMs: 300 });
    await expect(other.publish("a", "1", {})).rejects.toMatchObject({ code: "unavailable" });
    expect(errors[0]?.message).toMatch(/WRONGPASS/);
  });

  describe("with members", () => {
    const namesOf = async (node: {
      readonly engine: { members(channel: string): Promise<ReadonlyMap<string, string>> };
    }) => [...(await node.engine.members("a")).keys()].sort().join();

    test("the members of a node that is cut off leave with its lease, and are back with it", async () => {
      const prefix = newPrefix();
      const proxy = await startProxy(redis.port);
      const far = startNode(clientOf(proxy.port), { prefix });
      const near = startNode(clientOf(redis.port), { prefix });
      await far.engine.setMember("a", "ann", "");
      await near.engine.setMember("a", "bob", "");
      expect(await namesOf(near)).toBe("ann,bob");
      proxy.blackhole();
      const start = performance.now();
      await until(async () => (await namesOf(near)) === "bob");
      expect(performance.now() - start).toBeLessThan(600 + SLACK_MS);
      await proxy.heal();
      await until(async () => (await namesOf(near)) === "ann,bob");
      await far.engine.removeMember("a", "ann");
      expect(await namesOf(near)).toBe("bob");
      expect(await namesOf(far)).toBe("bob");
    });

    test("a node learns at once of another that died, was cut off, came back or closed, and never of itself", async () => {
      const prefix = newPrefix();
      const proxy = await startProxy(redis.port);
      const far = startNode(clientOf(proxy.port), { prefix });
      const near = startNode(clientOf(redis.port), { prefix });
      const third = startNode(clientOf(redis.port), { prefix });
      for (const [node, client] of [
        [far, "ann"],
        [near, "bob"],
        [third, "cid"],
      ] as const) {
        await node.engine.setMember("a", client, "");
      }
      // Until each has looked once.
      await sleep(200);
      proxy.blackhole();
      const start = performance.now();
      await until(() => near.others.length > 0);
      // A lease, a look, and what a busy machine adds.
      expect(performance.now() - start).toBeLessThan(600 + 60 + SLACK_MS);
      expect(await namesOf(near)).toBe("bob,cid");
      await proxy.heal();
      await until(() => near.others.length > 1);
      expect(await namesOf(near)).toBe("ann,bob,cid");
      await third.engine.close();
      await until(() => near.others.length > 2);
      expect(near.others).toEqual([`gone ${far.engine.node}`, `back ${far.engine.node}`, `gone ${third.engine.node}`]);
      expect(await namesOf(near)).toBe("ann,bob");
    });

    test("the names of leases that ended are forgotten", async () => {
      const prefix = newPrefix();
      const near = startNode(clientOf(redis.port), { prefix });
      await near.engine.setMember("a", "bob", "");
      redis.command("SADD", `${prefix}:nodes`, "redis-dead.1", "redis-dead.2");
      await until(() => redis.command("SMEMBERS", `${prefix}:nodes`) === `${near.engine.node}.1`);
      await near.engine.close();
      expect(redis.command("SMEMBERS", `${prefix}:nodes`)).toBe("");
    });

    test("a node whose lease lapsed joins anew, and its members are back at the next renewal", async () => {
      const prefix = newPrefix();
      const { engine, errors } = startNode(clientOf(redis.port), { prefix });
      const near = startNode(clientOf(redis.port), { prefix });
      await engine.setMember("a", "ann", "");
      const [lease] = redis.command("--raw", "KEYS", `${prefix}:node:*`).split("\n");
      redis.command("DEL", lease as string);
      expect(await namesOf(near)).toBe("");
      await until(async () => (await namesOf(near)) === "ann");
      expect(errors).toMatchObject([{ code: "unavailable", message: expect.stringContaining("lapsed") }]);
      expect(redis.command("--raw", "KEYS", `${prefix}:node:*`)).not.toContain(lease);
    });

    test("a node that came back counts no other as dead, as long as a lease lasts", async () => {
      const prefix = newPrefix();
      const proxy = await startProxy(redis.port);
      const far = startNode(clientOf(proxy.port), { prefix });
      const near = startNode(clientOf(redis.port), { prefix });
      await near.engine.setMember("a", "bob", "");
      await far.engine.setMember("a", "ann", "");
      proxy.reset();
      await until(() => far.states.join() === "up,down,up");
      for (const lease of redis.command("--raw", "KEYS", `${prefix}:node:*`).split("\n")) redis.command("DEL", lease);
      expect(await namesOf(far)).toBe("ann,bob");
    });
  });

  describe("with data that is not ours", () => {
    let prefix: string;
    const keyOf = (kind: string) => {
      const [key] = redis.command("--raw", "KEYS", `${prefix}:*:${kind}:a`).split("\n");
      return key as string;
    };
    async function begin(client: RedisClientLike = clientOf(redis.port)) {
      prefix = newPrefix();
      const node = startNode(client, { prefix });
      const seen: LogEntry[] = [];
      await node.engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
      const positions = await publishAll(node.engine, "a", "1", "2");
      await until(() => seen.length === 2);
      return { ...node, seen, positions };
    }

    test("messages on a feed are refused and reported, and the next one of ours arrives", async () => {
      const { engine, errors, seen } = await begin();
      const feed = keyOf("log").replace(":log:", ":feed:");
      const forged = [
        "",
        "hello",
        "2t1-1 0-1\nx",
        "1t1-1\nx",
        "1t9-9 x\n",
        `1t${"9".repeat(40)}-1 0-1\nx`,
        "1x\ny",
        "1t1-9999999999 0-1\nx",
      ];
      for (const message of forged) redis.command("PUBLISH", feed, message);
      await publishAll(engine, "a", "3");
      await until(() => seen.length === 3);
      expect(textsOf(seen)).toEqual(["1", "2", "3"]);
      expect(errors.map(({ code }) => code)).toEqual(forged.map(() => "unavailable"));
      expect(errors[0]?.message).toContain("did not write");
    });

    test("text that is no UTF-8 is refused", async () => {
      const { engine, errors, seen } = await begin();
      const raw = clientOf(redis.port);
      await raw.connect();
      const feed = keyOf("log").replace(":log:", ":feed:");
      await raw.publish(feed, Buffer.from([0x31, 0x74, 0x0a, 0xff, 0xfe]));
      raw.destroy();
      await publishAll(engine, "a", "3");
      await until(() => seen.length === 3);
      expect(errors).toHaveLength(1);
    });

    test.each([
      ["of another version", ["SET", "2 5-5 99"]],
      ["that is cut off", ["SET", "1 5"]],
      ["of another type", ["RPUSH", "x"]],
    ])("a head %s refuses its channel, and no other", async (_name, [command, value]) => {
      const { engine, errors, positions } = await begin();
      const head = keyOf("head");
      redis.command("DEL", head);
      redis.command(command as string, head, value as string);
      const calls = [
        engine.publish("a", "3", { history: HISTORY }),
        engine.read("a", { after: positions[0] as Position }, ALL),
        engine.read("a", { last: 5 }, ALL),
        engine.subscribe("a", HISTORY, () => {}),
      ];
      const codes = (await Promise.allSettled(calls)).map((it) => (it.status === "rejected" ? it.reason.code : "fine"));
      expect(codes).toEqual(calls.map(() => "unavailable"));
      await publishAll(engine, "b", "1");
      const both = ["a", "b"].map((channel) => ({ channel, history: HISTORY }));
      expect((await engine.heads(both))[1]).toBe((await engine.heads(both.slice(1)))[0]);
      expect(errors.length).toBeGreaterThanOrEqual(4);
    });

    test("an entry of others in a log is a gap where it stands, and the next publish mends the log", async () => {
      const { engine, errors, positions } = await begin();
      redis.command("XADD", keyOf("log"), "*", "hello", "world");
      expect(await engine.read("a", { after: positions[1] as Position }, ALL)).toEqual({
        entries: [],
        head: positions[1],
      });
      expect(await engine.read("a", { after: positions[0] as Position }, ALL)).toBeUndefined();
      expect(errors.length).toBeGreaterThan(0);
      await publishAll(engine, "a", "3");
      expect(await logOf(engine, "a")).toEqual(["3"]);
    });

    test.each([
      ["no field of ours", ["hello", "world", "p", "1-1"]],
      ["another version", ["2t", "x", "p", "1-1"]],
      ["an unknown kind", ["1x", "x", "p", "1-1"]],
      ["one field", ["1t", "x"]],
      ["a predecessor that is no position", ["1t", "x", "p", "yesterday"]],
      ["a predecessor that is longer than any", ["1t", "x", "p", `${"9".repeat(30)}-1`]],
      ["another name of the predecessor", ["1t", "x", "q", "1-1"]],
      ["bytes that are no UTF-8, as text", ["1t", "\xff\xfe", "p", "1-1"]],
    ])("an entry that is forged or cut off is never delivered: %s", async (_name, fields) => {
      const { engine, errors, positions } = await begin();
      const log = keyOf("log");
      const args = fields.map((field) => Buffer.from(field, "latin1"));
      const raw = clientOf(redis.port);
      await raw.connect();
      await raw.sendCommand(["XADD", log, "*", ...args]);
      raw.destroy();
      expect(await engine.read("a", { after: positions[0] as Position }, ALL)).toBeUndefined();
      expect(errors[0]).toMatchObject({ code: "unavailable", message: expect.stringContaining("did not write") });
      await publishAll(engine, "a", "3");
      expect(await logOf(engine, "a")).toEqual(["3"]);
    });

    test("keys of another type refuse what needs them, and the engine goes on", async () => {
      const { engine, errors } = await begin();
      const log = keyOf("log");
      redis.command("DEL", log);
      redis.command("SET", log, "x");
      await engine.setMember("b", "bob", "1");
      const [members] = redis.command("--raw", "KEYS", `${prefix}:*:members:b`).split("\n");
      redis.command("DEL", members as string);
      redis.command("SET", members as string, "x");
      redis.command("DEL", `${prefix}:nodes`);
      redis.command("SET", `${prefix}:nodes`, "x");
      const calls = [
        engine.publish("a", "3", { history: HISTORY }),
        engine.read("a", { last: 5 }, ALL),
        engine.members("b"),
        engine.setMember("b", "cid", "1"),
      ];
      const codes = (await Promise.allSettled(calls)).map((it) => (it.status === "rejected" ? it.reason.code : "fine"));
      expect(codes).toEqual(calls.map(() => "unavailable"));
      expect(errors[0]).toMatchObject({ code: "unavailable", message: expect.stringContaining("did not write") });
      // For as long as the watch of nodes looks at its key.
      await sleep(200);
      await publishAll(engine, "c", "1");
      expect(await logOf(engine, "c")).toEqual(["1"]);
    });

    test("results and members of others are refused", async () => {
      const { engine, errors } = await begin();
      await engine.publish("a", "3", { history: HISTORY, id: "x" });
      const id = redis.command("--raw", "KEYS", `${prefix}:*:id:*`);
      redis.command("SET", id, "hello");
      const again = engine.publish("a", "3", { history: HISTORY, id: "x" });
      await expect(again).rejects.toMatchObject({ code: "unavailable" });
      await engine.setMember("a", "ann", "");
      redis.command("HSET", keyOf("members"), "no node", "x");
      expect([...(await engine.members("a")).keys()]).toEqual(["ann"]);
      expect(errors).toHaveLength(2);
    });
  });

  test("an engine that was closed leaves no connection and no member behind", async () => {
    const own = await startRedis();
    const { engine } = startNode(clientOf(own.port), { prefix: "gone" });
    await engine.setMember("a", "ann", "");
    await engine.subscribe("a", HISTORY, () => {});
    await engine.close();
    await until(() => own.command("INFO", "clients").includes("connected_clients:1\r"));
    expect(own.command("KEYS", "gone:node:*")).toBe("");
    expect(own.command("KEYS", "*:members:*")).toBe("");
  });
});
