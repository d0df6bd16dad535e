import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { build, stop } from "esbuild";
import { describe, expect, test } from "vitest";
import { unmarshal } from "../../../src/codec/codec.ts";
import { compressed } from "../../../src/codec/compressed.ts";
import { json, message } from "../../../src/index.ts";
import { openConn, record, thrown, useFakeTime } from "../../support/conn.ts";

useFakeTime();

const codec = compressed(message);
const long = "to and fro ".repeat(1000);
const longBytes = new TextEncoder().encode(long);

const frame = (kind: number, rest: Uint8Array = new Uint8Array()) => Uint8Array.of(kind, ...rest);
const packed = (payload: string | Uint8Array) => codec.marshal(payload) as Uint8Array;

describe("on the wire", () => {
  test("short text is a text frame as it is", () => {
    expect(codec.marshal("short")).toBe("short");
  });

  test("short bytes follow a 0", () => {
    expect(codec.marshal(Uint8Array.of(7, 8))).toEqual(Uint8Array.of(0, 7, 8));
  });

  test("long text is raw deflate behind a 1", () => {
    expect(packed(long)[0]).toBe(1);
    expect(inflateRawSync(packed(long).subarray(1)).toString()).toBe(long);
  });

  test("long bytes are raw deflate behind a 2", () => {
    expect(packed(longBytes)[0]).toBe(2);
    expect(new Uint8Array(inflateRawSync(packed(longBytes).subarray(1)))).toEqual(longBytes);
  });

  test("what deflating would not make shorter is not deflated", () => {
    const noise = crypto.getRandomValues(new Uint8Array(2000));
    expect(packed(noise)).toEqual(frame(0, noise));
  });

  test("nothing is made of a value that the codec under it passes on unchecked", () => {
    expect(thrown(() => codec.marshal(5 as never))).toMatchObject({ code: "marshal" });
  });

  test("the threshold counts bytes, not characters", () => {
    const one = compressed(message, { thresholdBytes: 300 });
    expect(one.marshal("a".repeat(299))).toBeTypeOf("string");
    expect(one.marshal("a".repeat(300))).toBeInstanceOf(Uint8Array);
    expect(one.marshal("é".repeat(150))).toBeInstanceOf(Uint8Array);
  });
});

test("text comes back as text and bytes as bytes, long or short", () => {
  for (const payload of ["", "short", long, `${long}é😀`, new Uint8Array(), Uint8Array.of(1), longBytes]) {
    expect(codec.unmarshal(codec.marshal(payload))).toEqual(payload);
  }
});

test("what another deflate made is understood", () => {
  for (const level of [0, 1, 9]) {
    expect(codec.unmarshal(frame(1, deflateRawSync(long, { level })))).toBe(long);
  }
});

test("it wraps any codec", () => {
  const value = Array.from({ length: 500 }, (_, id) => ({ id }));
  const both = compressed(json());
  expect(both.unmarshal(both.marshal(value))).toEqual(value);
});

describe("refuses as unmarshal", () => {
  const refused = (payload: Uint8Array) =>
    expect(thrown(() => unmarshal(codec, payload))).toMatchObject({ code: "unmarshal" });
  const followedBy = (...rest: number[]) => Uint8Array.of(...packed(long), ...rest);

  test("an empty frame and an unknown first byte", () => {
    refused(new Uint8Array());
    for (let kind = 3; kind < 256; kind++) refused(frame(kind, Uint8Array.of(3, 0)));
  });

  test("deflated data cut anywhere", () => {
    for (let length = 1; length < packed(long).length; length++) refused(packed(long).subarray(0, length));
  });

  test("deflated data followed by anything", () => {
    refused(followedBy(0));
    refused(followedBy(...new Uint8Array(10_000)));
    refused(followedBy(...packed(long).subarray(1)));
  });

  test("deflated data followed by what would pass for gzip", () => {
    const gzip = [0, 0, 0, 0, 0, 0, 0, 0, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    refused(followedBy(...gzip));
    refused(followedBy(...gzip, 3, 0));
    refused(followedBy(...gzip, 3, 0, ...gzip));
  });

  test("corrupt data", () => {
    refused(frame(1, Uint8Array.of(0xff, 0xff, 0xff)));
    refused(frame(2, new TextEncoder().encode(long)));
  });

  test("deflated text that is not UTF-8", () => {
    refused(frame(1, deflateRawSync(Uint8Array.of(0xff, 0xfe))));
  });
});

describe("maxBytes", () => {
  test("is the Conn's maxPayloadBytes where the option is not given", async () => {
    const { conn, socket } = await openConn({ codec, maxPayloadBytes: long.length - 1 });
    const errors = record(conn, "error");
    socket.message(packed(long));
    socket.message(packed(long.slice(1)));
    expect(await conn[Symbol.asyncIterator]().next()).toEqual({ done: false, value: long.slice(1) });
    expect(errors).toMatchObject([{ code: "unmarshal", message: /maxBytes, 10999/ }]);
  });

  test("stands above maxPayloadBytes where it is given", () => {
    const raised = compressed(message, { maxBytes: long.length });
    expect(unmarshal(raised, packed(long), { maxPayloadBytes: 10 })).toBe(long);
  });

  test("is the longest message that passes", () => {
    expect(compressed(message, { maxBytes: long.length }).unmarshal(packed(long))).toBe(long);
    const short = compressed(message, { maxBytes: long.length - 1 });
    expect(thrown(() => unmarshal(short, packed(long)))).toMatchObject({ code: "unmarshal", message: /maxBytes/ });
  });

  test("stops a bomb of 1 MiB that would be 1 GiB, in bounded memory", async () => {
    const ROOT = join(import.meta.dirname, "../../..");
    // In a process of its own, because memory can't be measured by thread.
    const { outputFiles } = await build({
      stdin: { contents: bombing, resolveDir: ROOT, loader: "ts" },
      bundle: true,
      write: false,
      platform: "node",
      format: "cjs",
      // Its process would stay, and a thread of Node 20 may never end that is ended with one.
    }).finally(stop);
    const [bomb, part] = [1 << 30, 1 << 24];
    // Parts that end without ending the stream can be strung together.
    const zeros = deflateRawSync(new Uint8Array(part), { level: 9, finishFlush: constants.Z_SYNC_FLUSH });
    const input = Buffer.concat([Uint8Array.of(2), ...Array(bomb / part).fill(zeros), Uint8Array.of(3, 0)]);
    expect(input.length).toBeLessThan(1.1 * 1024 * 1024);
    const output = execFileSync(process.execPath, ["-e", (outputFiles[0] as { text: string }).text], {
      input,
      encoding: "utf8",
    });
    const { error, grownBytes } = JSON.parse(output) as { error: string; grownBytes: number };
    expect(error).toBe("The message would inflate to more than maxBytes, 33554432.");
    expect(grownBytes).toBeLessThan(128 * 1024 * 1024);
  });
});

const bombing = `
  import { readFileSync } from "node:fs";
  import { compressed } from "./src/codec/compressed.ts";
  import { message } from "./src/index.ts";
  const bomb = new Uint8Array(readFileSync(0));
  const before = process.resourceUsage().maxRSS;
  let error = "none";
  try {
    compressed(message).unmarshal(bomb);
  } catch (cause) {
    error = cause.message;
  }
  const grownBytes = (process.resourceUsage().maxRSS - before) * 1024;
  console.log(JSON.stringify({ error, grownBytes }));
`;

test("a bad option is refused at once, naming it", () => {
  for (const options of [
    { thresholdBytes: -1 },
    { thresholdBytes: Number.NaN },
    { maxBytes: 0 },
    { maxBytes: "1" as never },
  ]) {
    const name = Object.keys(options)[0];
    expect(thrown(() => compressed(message, options))).toMatchObject({
      code: "bad-option",
      message: new RegExp(`^${name} `),
    });
  }
});
