import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { Codec, type CodecLike } from "./codec.ts";

/** Issues told in the message of an error; its `cause` has them all. */
const MAX_ISSUES = 3;

/**
 * What this codec needs of a schema: version 1 of [Standard Schema](https://standardschema.dev), which zod, valibot,
 * arktype and others implement.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What the specification asks of a schema, under the name that it gives. */
  readonly "~standard": {
    /** The version of the specification. */
    readonly version: 1;
    /** The name of the schema library. */
    readonly vendor: string;
    /** Checks a value. A promise is refused: codecs are synchronous. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Types alone: there is nothing of it at run time. */
    readonly types?:
      | {
          /** What the schema takes. */
          readonly input: Input;
          /** What the schema gives. */
          readonly output: Output;
        }
      | undefined;
  };
}

/** What a schema says of a value: the value it makes of it, or what is wrong with it. */
export type SchemaResult<Output> =
  | {
      /** The value as the schema makes it. */
      readonly value: Output;
      /** None: the value is right. */
      readonly issues?: undefined;
    }
  | {
      /** What is wrong, at least one. */
      readonly issues: readonly SchemaIssue[];
    };

/** A key on the way to what is wrong, as some schema libraries put it. */
export interface SchemaPathSegment {
  /** The key. */
  readonly key: PropertyKey;
}

/** One thing that is wrong with a value, and where. */
export interface SchemaIssue {
  /** What is wrong, for people. */
  readonly message: string;
  /** Where: the keys from the value down. Absent for the value itself. */
  readonly path?: readonly (PropertyKey | SchemaPathSegment)[] | undefined;
}

/** The type a schema takes. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["input"];
/** The type a schema gives. */
export type SchemaOutput<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["output"];

/**
 * `codec`, with each incoming value checked by a schema and taken as that schema makes it: defaults filled, strings
 * turned to dates. Its type is the schema's output. A value the schema refuses is reported as {@link ConnError}
 * `unmarshal` that names path and message of the first issues, with all issues as its `cause`. A schema that answers
 * with a promise is `misuse`: codecs are synchronous.
 */
export function validated<Out, Incoming extends StandardSchema>(
  codec: CodecLike<unknown, Out>,
  incoming: Incoming,
): Codec<SchemaOutput<Incoming>, Out>;
/**
 * The same for outgoing values too: what may be sent is the input of `outgoing`, and what travels is what it makes of
 * it. A value it refuses is reported as {@link ConnError} `marshal`.
 */
export function validated<Out, Incoming extends StandardSchema, Outgoing extends StandardSchema<unknown, Out>>(
  codec: CodecLike<unknown, Out>,
  incoming: Incoming,
  outgoing: Outgoing,
): Codec<SchemaOutput<Incoming>, SchemaInput<Outgoing>>;
export function validated<Out>(
  codec: CodecLike<unknown, Out>,
  incoming: StandardSchema,
  outgoing?: StandardSchema<unknown, Out>,
): Codec<unknown, unknown> {
  return new Codec<unknown, unknown>({
    marshal: (value) => codec.marshal(outgoing ? checked("marshal", outgoing, value) : (value as Out)),
    unmarshal: (payload) => checked("unmarshal", incoming, codec.unmarshal(payload), payload),
  });
}

function checked<T>(
  code: "marshal" | "unmarshal",
  schema: StandardSchema<unknown, T>,
  value: unknown,
  payload?: Payload,
): T {
  const result = schema["~standard"].validate(value);
  if ("then" in result) {
    // Nobody waits for this answer, so nobody must be told that it was a rejection.
    result.then(undefined, () => {});
    throw new ConnError(
      "misuse",
      "The schema answers asynchronously, and a codec can't wait: take out its async checks.",
    );
  }
  if (!result.issues) return result.value;
  const what = code === "marshal" ? "The value" : "The message";
  throw new ConnError(code, `${what} does not fit the schema: ${describeIssues(result.issues)}`, {
    cause: result.issues,
    payload,
  });
}

function describeIssues(issues: readonly SchemaIssue[]): string {
  const lines = issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const place = dotted(path);
    return place === "" || message.startsWith(place) ? message : `${place}: ${message}`;
  });
  const rest = issues.length - lines.length;
  return `${lines.join("; ")}${rest > 0 ? `; and ${rest} more` : ""}`;
}

/** A path as it would be written in a program: `items[0].price`. */
function dotted(path: NonNullable<SchemaIssue["path"]>): string {
  const keys = path.map((part) => (typeof part === "object" ? part.key : part));
  return keys.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text ? `${text}.${String(key)}` : String(key);
  }, "");
}
