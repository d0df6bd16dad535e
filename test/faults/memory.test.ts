import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { QUEUED_COST_BYTES } from "../../src/core/outbox.ts";
import { RECORD_BYTES, SOCKET_BYTES } from "../../src/resume/server/issued-sessions.ts";

const program = fileURLToPath(new URL("memory.mjs", import.meta.url));

/** Runs one scenario in a process with so many MiB of heap. */
async function run(scenario: string, heapMib = 160): Promise<unknown> {
  const flags = [`--max-old-space-size=${heapMib}`, "--expose-gc"];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, program, scenario]);
  return JSON.parse(stdout);
}

test.for(["msgpack", "cbor", "compressed(msgpack)"])(
  "32 MiB of empty maps through %s end no process of 160 MiB, and are refused",
  { timeout: 60_000 },
  async (scenario) => {
    expect(await run(scenario)).toMatch(/maxElements, 1000000\.$/);
  },
);

test("32 MiB of JSON that is nothing but arrays and objects ends no server of 256 MiB", {
  timeout: 120_000,
}, async () => {
  const refused = "unmarshal() failed: RangeError: The message holds more than maxElements, 1000000.";
  expect(await run("json server", 256)).toEqual([refused, refused, refused, refused, 1]);
});

test("a queued message costs no more heap than the default of maxMessages assumes", { timeout: 60_000 }, async () => {
  const { sent, bytesEach } = (await run("queued")) as { sent: number; bytesEach: number };
  console.log(`queued: ${sent} messages of 2 bytes, ${bytesEach.toFixed(0)} bytes of heap each`);
  expect(sent).toBe(Math.floor((16 * 2 ** 20) / QUEUED_COST_BYTES));
  expect(bytesEach).toBeLessThan(QUEUED_COST_BYTES);
});

test("drop-oldest at its bound costs at most five times what reject costs", { timeout: 60_000 }, async () => {
  const { rejectUs, dropOldestUs } = (await run("overflow")) as { rejectUs: number; dropOldestUs: number };
  console.log(`overflow: reject ${rejectUs.toFixed(1)} us, drop-oldest ${dropOldestUs.toFixed(1)} us a send`);
  expect(dropOldestUs / rejectUs).toBeLessThan(5);
});

test("one signal on four times as many sends takes no more than eight times as long", { timeout: 60_000 }, async () => {
  const { few, many } = (await run("signal")) as { few: number; many: number };
  console.log(`signal: 4,000 sends ${few.toFixed(0)} ms, 16,000 sends ${many.toFixed(0)} ms`);
  expect(many / few).toBeLessThan(8);
});

test.for(["binary", "text"])(
  "a small %s message that waits in the inbox takes no more memory than it counts",
  { timeout: 60_000 },
  async (scenario) => {
    const { bytesEach, countedEach } = (await run(scenario)) as { bytesEach: number; countedEach: number };
    console.log(`inbox: a ${scenario} message of 8 bytes takes ${bytesEach.toFixed(0)} and counts ${countedEach}`);
    expect(bytesEach).toBeLessThan(countedEach);
    expect(bytesEach).toBeGreaterThan(countedEach / 3);
  },
);

test("an issued session takes no more heap than it counts, with its socket and without", {
  timeout: 60_000,
}, async () => {
  const { socketBytes, recordBytes } = (await run("issued")) as { socketBytes: number; recordBytes: number };
  console.log(`issued: the socket ${socketBytes.toFixed(0)} bytes, the record ${recordBytes.toFixed(0)}`);
  // The head of the request counts by its own length: about 700 bytes here.
  expect(socketBytes).toBeLessThan(SOCKET_BYTES + 700);
  expect(socketBytes).toBeGreaterThan(SOCKET_BYTES / 2);
  expect(recordBytes).toBeLessThan(RECORD_BYTES);
  expect(recordBytes).toBeGreaterThan(RECORD_BYTES / 3);
});

test("JSON takes at most 30 bytes of heap for each byte of text, as the guide says", { timeout: 60_000 }, async () => {
  const factors = (await run("json")) as Record<string, number>;
  console.log(`json: ${JSON.stringify(factors)}`);
  expect(Math.max(...Object.values(factors))).toBeLessThan(30);
  expect(factors.nested).toBeGreaterThan(20);
});
