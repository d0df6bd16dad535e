import { describe, expect, test } from "vitest";
import { marshal, unmarshal } from "../../../src/codec/codec.ts";
import { bytes, Codec, ConnError, json, message, type Payload, text } from "../../../src/index.ts";
import { thrown } from "../../support/conn.ts";
import fc from "../../support/fuzz.ts";

const utf8 = (string: string) => new TextEncoder().encode(string);
const NO_UTF8 = new Uint8Array([0xc3, 0x28]);

describe("json()", () => {
  test("gives back what JSON can hold", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const payload = marshal(json(), value);
        expect(payload).toBeTypeOf("string");
        expect(unmarshal(json(), payload)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("answers any text with a value or with unmarshal", () => {
    const hostile = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json().map((good) => good.slice(0, -1)),
    );
    fc.assert(
      fc.property(hostile, (payload) => {
        try {
          unmarshal(json(), payload);
        } catch (error) {
          expect(error).toMatchObject({ name: "ConnError", code: "unmarshal", payload });
        }
      }),
    );
  });

  test("answers any bytes with a value or with unmarshal", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (payload) => {
        try {
          unmarshal(json(), payload);
        } catch (error) {
          expect(error).toMatchObject({ name: "ConnError", code: "unmarshal" });
          expect((error as ConnError).payload).toBe(payload);
        }
      }),
    );
  });

  test.for(["", "{", "undefined", "NaN", "'a'", "\ufeff1", "[1,]", "{".repeat(100_000)])("refuses %.20j", (payload) => {
    expect(thrown(() => unmarshal(json(), payload))).toMatchObject({ code: "unmarshal", payload });
  });

  test("lets __proto__ pollute nothing", () => {
    const value = unmarshal(json(), '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}');
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test("reads binary frames as UTF-8", () => {
    expect(unmarshal(json(), utf8('"é"'))).toBe("é");
    expect(thrown(() => unmarshal(json(), NO_UTF8))).toMatchObject({ code: "unmarshal" });
  });

  test("refuses values that JSON has no form for", () => {
    const cycle: { self?: object } = {};
    cycle.self = cycle;
    for (const value of [undefined, () => {}, Symbol("s"), 1n, cycle]) {
      expect(thrown(() => marshal(json(), value))).toMatchObject({ code: "marshal", cause: expect.any(TypeError) });
    }
  });

  test("hands on its replacer and reviver", () => {
    const codec = json<{ at: Date }>({
      replacer: (key, value) => (key === "secret" ? undefined : value),
      reviver: (key, value) => (key === "at" ? new Date(String(value)) : value),
    });
    const at = new Date(0);
    expect(marshal(codec, { at, secret: 1 } as { at: Date })).toBe('{"at":"1970-01-01T00:00:00.000Z"}');
    expect(unmarshal(codec, '{"at":"1970-01-01T00:00:00.000Z"}')).toEqual({ at });
  });
});

describe("text", () => {
  test("takes strings only, and reads binary frames as UTF-8", () => {
    expect(marshal(text, "é")).toBe("é");
    expect(thrown(() => marshal(text, utf8("é") as never))).toMatchObject({ code: "marshal" });
    expect([unmarshal(text, "é"), unmarshal(text, utf8("é"))]).toEqual(["é", "é"]);
    expect(thrown(() => unmarshal(text, NO_UTF8))).toMatchObject({ code: "unmarshal", payload: NO_UTF8 });
  });

  test("keeps a byte order mark", () => {
    expect(unmarshal(text, utf8("\ufeffx"))).toBe("\ufeffx");
  });
});

describe("bytes", () => {
  test("takes bytes only, and reads text frames as their UTF-8", () => {
    expect(marshal(bytes, NO_UTF8)).toBe(NO_UTF8);
    expect(thrown(() => marshal(bytes, "é" as never))).toMatchObject({ code: "marshal" });
    expect(unmarshal(bytes, NO_UTF8)).toBe(NO_UTF8);
    expect(unmarshal(bytes, "é")).toEqual(utf8("é"));
  });
});

describe("message", () => {
  test("leaves text and bytes as they are, and refuses all else", () => {
    for (const payload of ["é", NO_UTF8]) {
      expect(marshal(message, payload)).toBe(payload);
      expect(unmarshal(message, payload)).toBe(payload);
    }
    for (const value of [undefined, 5, {}, new ArrayBuffer(1)]) {
      expect(thrown(() => marshal(message, value as never))).toMatchObject({ code: "marshal" });
    }
  });
});

describe("a codec of the user's", () => {
  test("has what it throws reported as marshal or unmarshal, with the cause", () => {
    const boom = new Error("boom");
    const fail = () => {
      throw boom;
    };
    const codec = new Codec<number>({ marshal: fail, unmarshal: fail });
    expect(thrown(() => marshal(codec, 1))).toMatchObject({ code: "marshal", cause: boom });
    expect(thrown(() => unmarshal(codec, "x"))).toMatchObject({ code: "unmarshal", cause: boom, payload: "x" });
  });

  test("may throw what is no Error", () => {
    const fail = () => {
      throw "boom";
    };
    const why = thrown(() => unmarshal({ marshal: String, unmarshal: fail }, "x"));
    expect(why).toMatchObject({ code: "unmarshal", cause: "boom", message: expect.stringContaining("boom") });
    expect(why).toBeInstanceOf(ConnError);
  });

  test("wraps another by calling it", () => {
    const base = json<number>();
    const positive = new Codec<number>({
      marshal: base.marshal,
      unmarshal: (payload: Payload) => {
        const value = base.unmarshal(payload);
        if (!(value > 0)) throw new RangeError("Not positive.");
        return value;
      },
    });
    expect(unmarshal(positive, "1")).toBe(1);
    expect(thrown(() => unmarshal(positive, "0"))).toMatchObject({ code: "unmarshal", cause: expect.any(RangeError) });
  });

  test("may be an object whose functions need it as this", () => {
    class Counting {
      count = 0;
      marshal(value: string) {
        this.count++;
        return value;
      }
      unmarshal(payload: Payload) {
        this.count++;
        return String(payload);
      }
    }
    const pair = new Counting();
    const codec = new Codec<string>(pair);
    marshal(codec, "x");
    unmarshal(codec, "x");
    expect(pair.count).toBe(2);
  });
});
