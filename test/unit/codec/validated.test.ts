import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { marshal, unmarshal } from "../../../src/codec/codec.ts";
import { type StandardSchema, validated } from "../../../src/codec/validated.ts";
import { type Codec, ConnError, json, text } from "../../../src/index.ts";
import { thrown } from "../../support/conn.ts";

interface Item {
  name: string;
  price: number;
}

const schemas: Record<string, StandardSchema<unknown, { items: Item[] }>> = {
  zod: z.object({ items: z.array(z.object({ name: z.string(), price: z.number() })) }),
  valibot: v.object({ items: v.array(v.object({ name: v.string(), price: v.number() })) }),
  arktype: type({ items: type({ name: "string", price: "number" }).array() }),
};

describe.each(Object.entries(schemas))("a %s schema", (_name, schema) => {
  const codec = validated(json(), schema, schema);

  test("lets through what fits, both ways", () => {
    const value = { items: [{ name: "a", price: 1 }] };
    expect(unmarshal(codec, marshal(codec, value))).toEqual(value);
  });

  test("refuses an incoming value that does not fit, and says where", () => {
    const payload = '{"items":[{"name":"a","price":"1"}]}';
    const error = thrown(() => unmarshal(codec, payload)) as ConnError;
    expect(error).toBeInstanceOf(ConnError);
    expect(error).toMatchObject({
      code: "unmarshal",
      payload,
      cause: { length: 1, 0: { message: expect.any(String) } },
    });
    expect(error.message).toMatch(/: items\[0\]\.price:? \S/);
  });

  test("refuses an outgoing value that does not fit", () => {
    const error = thrown(() => marshal(codec, { items: [{ name: 1, price: 1 }] })) as ConnError;
    expect(error.code).toBe("marshal");
    expect(error.message).toMatch(/: items\[0\]\.name:? \S/);
  });
});

/** A schema that says `answer` of any value. */
const schemaOf = <T>(answer: ReturnType<StandardSchema<T>["~standard"]["validate"]>): StandardSchema<T> => ({
  "~standard": { version: 1, vendor: "test", validate: () => answer },
});

test("what a schema makes of a value is what arrives, and what is sent", () => {
  const codec = validated(
    json(),
    z.object({ at: z.coerce.date() }),
    z.date().transform((at) => ({ at: at.getTime() })),
  );
  expect(codec.unmarshal('{"at":0}')).toEqual({ at: new Date(0) });
  expect(codec.marshal(new Date(5))).toBe('{"at":5}');
});

test("without an outgoing schema values go out as they are", () => {
  expect(validated(json<unknown, number>(), z.string()).marshal(1)).toBe("1");
});

test("three issues are named, the others counted, all of them are the cause", () => {
  const issues = ["a", "b", "c", "d", "e"].map((message) => ({ message }));
  const error = thrown(() => unmarshal(validated(json(), schemaOf({ issues })), "1")) as ConnError;
  expect(error.message).toMatch(/: a; b; c; and 2 more$/);
  expect(error.cause).toBe(issues);
});

test("a path that the message begins with is not repeated", () => {
  const issues = [{ message: "a.b must be a number", path: ["a", "b"] }];
  const error = thrown(() => unmarshal(validated(json(), schemaOf({ issues })), "1")) as ConnError;
  expect(error.message).toMatch(/schema: a\.b must be a number$/);
});

test("a path may hold keys, indexes, symbols and objects with a key", () => {
  const path = ["a", { key: 0 }, { key: "b" }, Symbol("c")];
  const error = thrown(() => unmarshal(validated(json(), schemaOf({ issues: [{ message: "no", path }] })), "1"));
  expect((error as ConnError).message).toContain("a[0].b.Symbol(c): no");
});

test("a message the inner codec can't decode never reaches the schema", () => {
  const schema = z.unknown().refine(() => expect.fail("asked"));
  expect(thrown(() => unmarshal(validated(json(), schema), "{"))).toMatchObject({ code: "unmarshal" });
});

test("a schema that answers asynchronously is refused, and its rejection is nobody's", async () => {
  const late = schemaOf(Promise.reject(new Error("late")));
  for (const schema of [late, z.string().refine(async () => false)]) {
    const codec = validated(json(), schema, schema);
    expect(thrown(() => unmarshal(codec, '"x"'))).toMatchObject({ code: "misuse", message: /async/ });
    expect(thrown(() => marshal(codec, "x"))).toMatchObject({ code: "misuse" });
  }
  // An unhandled rejection would be reported by then.
  await new Promise(setImmediate);
});

test("types follow the schema: incoming its output, outgoing its input", () => {
  const toDate = z.string().transform((at) => new Date(at));
  const toLength = v.pipe(
    v.string(),
    v.transform((it) => it.length),
  );
  const parsed = type("string").pipe((it) => Number(it));
  expectTypeOf(validated(json(), toDate, toDate)).toEqualTypeOf<Codec<Date, string>>();
  expectTypeOf(validated(json(), toLength, toLength)).toEqualTypeOf<Codec<number, string>>();
  expectTypeOf(validated(json(), parsed, parsed)).toEqualTypeOf<Codec<number, string>>();
});

test("types: without an outgoing schema, the inner codec says what may be sent", () => {
  expectTypeOf(validated(json<unknown, boolean>(), z.number())).toEqualTypeOf<Codec<number, boolean>>();
  expectTypeOf(validated(text, v.picklist(["a", "b"]))).toEqualTypeOf<Codec<"a" | "b", string>>();
});

test("types: an outgoing schema must give what the inner codec takes", () => {
  // @ts-expect-error: text takes no numbers
  validated(text, z.string(), z.number());
  validated(text, z.string(), z.number().transform(String));
});
