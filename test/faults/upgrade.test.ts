import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { now } from "./away.ts";
import {
  end,
  type FaultScenario,
  HEARTBEAT,
  hear,
  hush,
  leave,
  SLACK_MS,
  startScenario,
  talk,
} from "./fault-scenario.ts";

const CONNECT_TIMEOUT_MS = 500;

const told = ({ away }: FaultScenario) => away.history.filter(({ event }) => event === "user");
const answered = (status: number, headers?: Record<string, string>, times = 9) => ({
  before: ({ proxy }: Pick<FaultScenario, "proxy">) => proxy.respond(status, headers, times),
});

/** Both sides talk for a while; then the program leaves. */
async function isWell(all: FaultScenario): Promise<void> {
  await talk(all);
  await hush(all);
  await leave(all);
}

describe.concurrent("an upgrade", () => {
  test.for([401, 403, 404])(
    "answered with %d ends the Conn after one attempt, with the status",
    async (status, context) => {
      const all = await startScenario(context, answered(status));
      const { away, proxy } = all;
      const cause = { code: "refused", status };
      const lost = { code: 1006, clean: false, wasOpen: false, willRetry: false, status, cause, state: "closed" };
      expect(await away.next("disconnected")).toMatchObject(lost);
      expect(await away.next("closed")).toMatchObject({ code: 1006, clean: false, by: "policy" });
      await end(all);
      expect(proxy.connectTimes).toHaveLength(1);
    },
  );

  test.for([401, 403])(
    "answered with %d is tried once more with a provider, which sees why",
    async (status, context) => {
      const all = await startScenario(context, { user: "withToken", ...answered(status, {}, 1) });
      const { away, proxy, peer } = all;
      expect(await away.next("disconnected")).toMatchObject({ status, willRetry: true });
      await away.next("open");
      await isWell(all);
      expect(told(all)).toMatchObject([{ attempt: 0 }, { attempt: 1, status, code: 1006 }]);
      expect(peer.authorizations).toEqual(["fresh"]);
      expect(proxy.connectTimes).toHaveLength(2);
    },
  );

  test("answered with 401 twice ends the Conn, provider or not", async (context) => {
    const all = await startScenario(context, { user: "withToken", ...answered(401) });
    const { away, proxy } = all;
    expect(await away.next("closed")).toMatchObject({ by: "policy", error: { cause: "refused" } });
    await end(all);
    expect(proxy.connectTimes).toHaveLength(2);
  });

  test("is tried once more after a close with 4401, which the provider sees", async (context) => {
    const all = await startScenario(context, { user: "withToken" });
    const { away, peer } = all;
    await talk(all);
    peer.each((socket) => socket.close(4401));
    expect(await away.next("disconnected")).toMatchObject({ code: 4401, clean: true, willRetry: true });
    await away.next("open", ({ reconnected }) => reconnected);
    await hear(all);
    expect(peer.authorizations).toEqual(["stale", "fresh"]);
    peer.each((socket) => socket.close(4401));
    expect(await away.next("closed")).toMatchObject({ code: 4401, by: "policy" });
    await end(all);
  });

  test("answered with 404 is tried again by a Conn that has been open", async (context) => {
    const all = await startScenario(context);
    const { away, proxy } = all;
    await talk(all);
    proxy.respond(404);
    proxy.cut();
    expect(await away.next("disconnected", ({ wasOpen }) => !wasOpen)).toMatchObject({ status: 404, willRetry: true });
    await away.next("open");
    await hear(all);
    await hush(all);
    await leave(all);
  });

  test.for([
    [429, "in seconds"],
    [503, "in seconds"],
    [429, "by date"],
  ] as const)(
    "answered with %d is tried again when Retry-After says, %s: not a moment sooner, a quarter later at most",
    async ([status, how], context) => {
      // A date has whole seconds.
      const date = Math.ceil(Date.now() / 1_000) * 1_000 + 2_000;
      const all = await startScenario(
        context,
        answered(status, { "Retry-After": how === "by date" ? new Date(date).toUTCString() : "1" }, 1),
      );
      const { away, proxy } = all;
      const { at } = await away.next("disconnected");
      const { delayMs } = await away.next("waiting", ({ reason }) => reason === "server");
      const asked = how === "by date" ? date - at : 1_000;
      await away.next("open");
      const [first, second] = proxy.connectTimes as [number, number];
      const dialed = performance.timeOrigin + second;
      if (how === "by date") expect(dialed).toBeGreaterThanOrEqual(date - 5);
      else expect(second - first).toBeGreaterThanOrEqual(asked);
      expect(delayMs).toBeLessThanOrEqual(1.25 * asked + 50);
      expect(dialed - at).toBeLessThan(1.25 * asked + SLACK_MS);
      await isWell(all);
      expect(proxy.connectTimes).toHaveLength(2);
    },
  );

  test("answered with 503 is tried again after our own wait", async (context) => {
    const all = await startScenario(context, answered(503, {}, 2));
    const { away, proxy } = all;
    expect(await away.next("disconnected")).toMatchObject({
      status: 503,
      willRetry: true,
      cause: { code: "refused", status: 503 },
    });
    expect(await away.next("waiting")).toMatchObject({ attempt: 1, reason: "backoff", delayMs: 250 });
    expect(await away.next("open")).toMatchObject({ attempt: 2 });
    await isWell(all);
    expect(proxy.connectTimes).toHaveLength(3);
  });

  test("never answered is given up after connectTimeoutMs, and tried again", async (context) => {
    const all = await startScenario(context, {
      options: { connectTimeoutMs: CONNECT_TIMEOUT_MS },
      before: ({ proxy }) => proxy.hang(),
    });
    const { away, proxy } = all;
    const { at, ...lost } = await away.next("disconnected");
    expect(lost).toMatchObject({
      code: 1006,
      clean: false,
      wasOpen: false,
      willRetry: true,
      cause: { code: "timeout" },
    });
    const dialed = performance.timeOrigin + (proxy.connectTimes[0] as number);
    expect(at - dialed).toBeLessThan(CONNECT_TIMEOUT_MS + SLACK_MS);
    await proxy.heal();
    await away.next("open");
    await isWell(all);
  });

  test("that ends in the middle of its answer is tried again", async (context) => {
    const all = await startScenario(context, { before: ({ proxy }) => proxy.respond(101, {}, 1) });
    const { away } = all;
    expect(await away.next("disconnected")).toMatchObject({
      code: 1006,
      clean: false,
      wasOpen: false,
      willRetry: true,
    });
    await away.next("open");
    await isWell(all);
  });

  test("to a name that has no address is tried again, with the reason", async (context) => {
    const all = await startScenario(context, { url: "ws://nowhere.invalid/" });
    const { away } = all;
    const lost = await away.next("disconnected");
    expect(lost).toMatchObject({ code: 1006, clean: false, wasOpen: false, willRetry: true });
    expect(lost.cause.code).toMatch(/ENOTFOUND|EAI_AGAIN|timeout/);
    await away.next("waiting", ({ attempt }) => attempt === 2);
    away.tell("close");
    expect(await away.next("closed")).toMatchObject({ by: "local" });
    await end(all);
  });
});

describe.concurrent("over TLS", () => {
  let key: string;
  let cert: string;

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), "tautline-"));
    const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
    execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", keyFile, "-out", certFile], { stdio: "pipe" });
    [key, cert] = [readFileSync(keyFile, "utf8"), readFileSync(certFile, "utf8")];
    return () => rmSync(folder, { recursive: true });
  });

  const secure = (options: object) => ({ scheme: "wss", server: createServer({ key, cert }), options }) as const;

  test("an untrusted certificate is reported as the cause, and ends the Conn", async (context) => {
    const all = await startScenario(context, secure({}));
    const { away, proxy } = all;
    const cause = { code: "refused", message: expect.stringContaining("DEPTH_ZERO_SELF_SIGNED_CERT") };
    expect(await away.next("disconnected")).toMatchObject({
      code: 1015,
      clean: false,
      wasOpen: false,
      willRetry: false,
      cause,
    });
    expect(await away.next("closed")).toMatchObject({ code: 1015, clean: false, by: "policy" });
    await end(all);
    expect(proxy.connectTimes).toHaveLength(1);
  });

  test("a certificate of our own is taken, and a black hole is found", async (context) => {
    const all = await startScenario(context, secure({ clientOptions: { ca: cert } }));
    const { away, proxy } = all;
    await talk(all);
    proxy.blackhole();
    const start = now();
    const { at, ...lost } = await away.next("disconnected");
    expect(lost).toMatchObject({ code: 1006, wasOpen: true, cause: { code: "timeout" } });
    expect(at - start).toBeLessThan(HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs + SLACK_MS);
    await proxy.heal();
    await away.next("open");
    await hear(all);
    await hush(all);
    await leave(all);
  });
});
