import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { Codec, type CodecLike } from "./codec.ts";

/** Issues named in the message of an error; its `cause` has them all. */
const MAX_ISSUES = 3;

/**
 * The part of a schema that this codec uses: version 1 of [Standard Schema](https://standardschema.dev), which zod, valibot,
 * arktype and others implement.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** The members that the specification requires, under the name that it gives. */
  readonly "~standard": {
    /** The version of the specification. */
    readonly version: 1;
    /** The name of the schema library. */
    readonly vendor: string;
    /** Checks a value. A promise is refused: codecs are synchronous. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Types alone: absent at run time. */
    readonly types?:
      | {
          /** The type that the schema takes. */
          readonly input: Input;
          /** The type that the schema returns. */
          readonly output: Output;
        }
      | undefined;
  };
}

/** The result of a check: the value as the schema returns it, or the issues that it found. */
export type SchemaResult<Output> =
  | {
      /** The value as the schema returns it. */
      readonly value: Output;
      /** Absent, because the value is right. */
      readonly issues?: undefined;
    }
  | {
      /** The issues, at least one. */
      readonly issues: readonly SchemaIssue[];
    };

/** A key on the path to an issue, in the form that some schema libraries use. */
export interface SchemaPathSegment {
  /** The key. */
  readonly key: PropertyKey;
}

/** One issue, and its place in the value. */
export interface SchemaIssue {
  /** The issue, for people. */
  readonly message: string;
  /** The keys from the value down to the issue. Absent for the value itself. */
  readonly path?: readonly (PropertyKey | SchemaPathSegment)[] | undefined;
}

/** The type that a schema takes. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["input"];
/** The type that a schema returns. */
export type SchemaOutput<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["output"];

/**
 * Wraps `codec` so that a schema checks each incoming value, and the application gets the schema's output: defaults
 * filled in, strings turned into dates. A value that the schema refuses is reported as {@link ConnError} `unmarshal`,
 * which names path and message of the first issues and has all issues as its `cause`. A schema that returns a promise is
 * `misuse`, because codecs are synchronous.
 *
 * @example
 * const codec = validated(json(), z.object({ price: z.number() }));
 */
export function validated<Out, Incoming extends StandardSchema>(
  codec: CodecLike<unknown, Out>,
  incoming: Incoming,
): Codec<SchemaOutput<Incoming>, Out>;
/**
 * Checks outgoing values too: `send()` takes the input of `outgoing`, and its output travels. A value that `outgoing`
 * refuses is reported as {@link ConnError} `marshal`.
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
    unmarshal: (payload, limits) => checked("unmarshal", incoming, codec.unmarshal(payload, limits), payload),
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
    // Handled here, because a rejection of this promise would otherwise end a Node process as unhandled.
    result.then(undefined, () => {});
    throw new ConnError("misuse", "The schema checks asynchronously, and a codec can't wait: remove its async checks.");
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

/** Returns a path as a program would write it: `items[0].price`. */
function dotted(path: NonNullable<SchemaIssue["path"]>): string {
  const keys = path.map((part) => (typeof part === "object" ? part.key : part));
  return keys.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text ? `${text}.${String(key)}` : String(key);
  }, "");
}
