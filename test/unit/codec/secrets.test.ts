import { inspect } from "node:util";
import { expect, test } from "vitest";
import { marshal, unmarshal } from "../../../src/codec/codec.ts";
import { type ConnError, json, message, text } from "../../../src/index.ts";
import { thrown } from "../../support/conn.ts";

test.for(["SECRET", '{"token": "SECRET', '["SECRET" "SECRET"]', '{"a": 1}\n"SECRET"', '"SECRET\n"'])(
  "an error for the JSON %j prints nothing of it, and has it as its payload",
  (payload) => {
    const error = thrown(() => unmarshal(json(), payload)) as ConnError;
    expect(error).toMatchObject({ code: "unmarshal", payload });
    expect(inspect(error, { depth: 5 })).not.toContain("SECRET");
    expect(JSON.stringify(error)).not.toContain("SECRET");
  },
);

test("an error for bytes that are no text prints none of them", () => {
  const payload = Uint8Array.of(0xff, 123, 123, 123);
  const error = thrown(() => unmarshal(text, payload)) as ConnError;
  expect(error.payload).toBe(payload);
  expect(inspect(error, { depth: 5 })).not.toContain("123");
});

test("an error that a reviver throws passes as it is", () => {
  const boom = new Error("boom");
  const reviver = () => {
    throw boom;
  };
  expect(thrown(() => unmarshal(json({ reviver }), "{}"))).toMatchObject({ code: "unmarshal", cause: boom });
});

test.for([Symbol("x"), Object.create(null), { toString: () => 5n }, undefined])(
  "a codec that throws %o is reported as any other",
  (thing) => {
    const codec = {
      marshal: (): never => {
        throw thing;
      },
      unmarshal: (): never => {
        throw thing;
      },
    };
    expect(thrown(() => marshal(codec, 1))).toMatchObject({ name: "ConnError", code: "marshal" });
    expect(thrown(() => unmarshal(codec, ""))).toMatchObject({ name: "ConnError", code: "unmarshal" });
  },
);

test("a value without a codec is refused with the codec to give", () => {
  expect(thrown(() => marshal(message, { a: 1 } as never))).toMatchObject({
    code: "marshal",
    message: /give codec: json\(\)/,
  });
});
