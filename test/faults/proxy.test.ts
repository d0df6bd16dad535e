import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { type FaultProxy, faultProxy } from "../../src/testing/fault-proxy.ts";
import { until } from "./fault-scenario.ts";
import { expectTruth, type Took } from "./ledger.ts";

/** One end of a connection through the proxy. */
interface End {
  readonly socket: Socket;
  readonly input: () => Buffer;
  /** How it ended, once it has. */
  readonly ending: () => string;
}

function watch(socket: Socket): End {
  let input = Buffer.alloc(0);
  let ending = "";
  socket.on("data", (chunk: Buffer) => {
    input = Buffer.concat([input, chunk]);
  });
  socket.on("end", () => {
    ending ||= "FIN";
  });
  socket.on("error", ({ message }) => {
    ending ||= message.includes("ECONNRESET") ? "RST" : message;
  });
  onTestFinished(() => void socket.destroy());
  return { socket, input: () => input, ending: () => ending };
}

async function pair(seed = 1): Promise<{ proxy: FaultProxy; client: End; server: End; dial: () => End }> {
  const listener = createServer({ allowHalfOpen: true });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const proxy = await faultProxy((listener.address() as AddressInfo).port, { seed });
  onTestFinished(async () => {
    await proxy.close();
    listener.close();
  });
  const dial = () => watch(connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true }));
  const accepted = once(listener, "connection") as Promise<[Socket]>;
  const client = dial();
  const server = watch((await accepted)[0]);
  client.socket.write("a");
  server.socket.write("b");
  await until(() => expect([String(server.input()), String(client.input())]).toEqual(["a", "b"]));
  return { proxy, client, server, dial };
}

/** Time in which what is lost would have come. */
const quiet = () => new Promise((resolve) => setTimeout(resolve, 100));

describe("the fault proxy", () => {
  test("hands on bytes and ends, each way by itself, and keeps nothing", async () => {
    const { proxy, client, server } = await pair();
    client.socket.end("last");
    await until(() => expect([String(server.input()), server.ending()]).toEqual(["alast", "FIN"]));
    server.socket.end("answer");
    await until(() => expect([String(client.input()), client.ending()]).toEqual(["banswer", "FIN"]));
    await until(() => expect(proxy.connections).toBe(0));
    expect(proxy.connectTimes).toHaveLength(1);
  });

  test("hands on a reset as a reset", async () => {
    const { client, server } = await pair();
    client.socket.resetAndDestroy();
    await until(() => expect(server.ending()).toBe("RST"));
  });

  test("cuts with a FIN, and resets with an RST, both ways", async () => {
    const [one, other] = [await pair(), await pair()];
    one.proxy.cut();
    other.proxy.reset();
    await until(() => expect([one.client.ending(), one.server.ending()]).toEqual(["FIN", "FIN"]));
    await until(() => expect([other.client.ending(), other.server.ending()]).toEqual(["RST", "RST"]));
  });

  test("delays each byte, and keeps their order", async () => {
    const { proxy, client, server } = await pair();
    proxy.delay(100);
    const start = performance.now();
    for (const text of ["1", "2", "3"]) client.socket.write(text);
    await until(() => expect(String(server.input())).toBe("a123"));
    expect(performance.now() - start).toBeGreaterThan(95);
    expect(performance.now() - start).toBeLessThan(290);
  });

  test("throttles each way, and holds the sender back", async () => {
    const { proxy, client, server } = await pair();
    proxy.throttle(100_000);
    const start = performance.now();
    client.socket.write(Buffer.alloc(50_000));
    await until(() => expect(server.input()).toHaveLength(50_001));
    expect(performance.now() - start).toBeGreaterThan(480);
    client.socket.write(Buffer.alloc(32 * 2 ** 20));
    await quiet();
    expect(client.socket.writableLength).toBeGreaterThan(0);
  });

  test("in the dark swallows bytes and ends, both ways or one, and tells ends when healed", async () => {
    const { proxy, client, server } = await pair();
    proxy.blackhole("server");
    client.socket.write("lost");
    server.socket.write("heard");
    await until(() => expect(String(client.input())).toBe("bheard"));
    proxy.blackhole();
    server.socket.write("lost");
    client.socket.end("lost");
    await quiet();
    expect([String(client.input()), String(server.input()), server.ending()]).toEqual(["bheard", "a", ""]);
    await proxy.heal();
    await until(() => expect(server.ending()).toBe("FIN"));
    expect(String(server.input())).toBe("a");
    server.socket.end();
    await until(() => expect(proxy.connections).toBe(0));
  });

  test("accepts new connections and never answers them", async () => {
    const { proxy, dial } = await pair();
    proxy.blackhole();
    const { socket, input, ending } = dial();
    await once(socket, "connect");
    socket.write("lost");
    await quiet();
    expect([String(input()), ending()]).toEqual(["", ""]);
  });

  test("half-open leaves one side with a connection that the other has lost", async () => {
    const { proxy, client, server } = await pair();
    proxy.halfOpen("server");
    await until(() => expect(server.ending()).toBe("RST"));
    client.socket.write("lost");
    await quiet();
    expect([client.ending(), client.socket.writable]).toEqual(["", true]);
  });

  test("refuses, stays mute, and answers upgrades itself, until healed", async () => {
    const { proxy, dial } = await pair();
    await proxy.refuse();
    const refused = dial();
    await until(() => expect(refused.ending()).toContain("ECONNREFUSED"));
    await proxy.heal();
    proxy.hang();
    const mute = dial();
    mute.socket.write("GET / HTTP/1.1\r\n\r\n");
    await quiet();
    expect([String(mute.input()), mute.ending()]).toEqual(["", ""]);
    await proxy.heal();
    proxy.respond(429, { "Retry-After": "7" });
    const answered = dial();
    answered.socket.write("GET / HTTP/1.1\r\n\r\n");
    await until(() => expect(answered.ending()).toBe("FIN"));
    expect(String(answered.input())).toBe(
      "HTTP/1.1 429 Answered\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n",
    );
  });

  test("injects the same garbage, and cuts the same place of a frame, for the same seed", async () => {
    const garbage = async (seed: number) => {
      const { proxy, client } = await pair(seed);
      proxy.inject("client", 32);
      await until(() => expect(client.input()).toHaveLength(33));
      return client.input().toString("hex");
    };
    expect(await garbage(5)).toBe(await garbage(5));
    expect(await garbage(5)).not.toBe(await garbage(6));

    const torn = async (seed: number) => {
      const { proxy, client, server } = await pair(seed);
      client.socket.write("HTTP head\r\n\r\n");
      // A whole frame of 2 + 4 + 3 bytes, in pieces, before the one that is cut, of 8 + 300.
      for (const byte of [0x81, 0x83, 0, 0, 0, 0, 1, 2, 3]) client.socket.write(Buffer.of(byte));
      const before = 1 + 13 + 9;
      await until(() => expect(server.input()).toHaveLength(before));
      proxy.cutInFrame("server");
      client.socket.write(Buffer.concat([Buffer.of(0x82, 0xfe, 300 >> 8, 300 & 255, 0, 0, 0, 0), Buffer.alloc(300)]));
      await until(() => expect([client.ending(), server.ending()]).toEqual(["FIN", "FIN"]));
      return server.input().length - before;
    };
    const [one, same, other] = [await torn(1), await torn(1), await torn(2)];
    expect(one).toBe(same);
    expect(one).not.toBe(other);
    for (const length of [one, other]) {
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThan(308);
    }
  });
});

describe("the ledger", () => {
  const two: readonly Took[] = [
    [0, 3],
    [3, 5],
  ];

  test.each([
    ["everything", [0, 1, 2, 3, 4]],
    ["a loss at the end of a connection", [0, 3, 4]],
    ["a connection that carried nothing", [3, 4]],
  ])("takes %s", (_name, heard) => expectTruth(two, heard, true));

  test.each([
    ["one twice", [0, 1, 1, 3, 4]],
    ["another order", [0, 1, 2, 4, 3]],
    ["a hole", [0, 2, 3, 4]],
    ["a loss on a connection that ended well", [0, 1, 2, 3]],
    ["one that nobody sent", [0, 1, 2, 3, 4, 5]],
  ])("refuses %s", (_name, heard) => expect(() => expectTruth(two, heard, true)).toThrow());
});
