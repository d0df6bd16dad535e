/** An identifier as JSON-RPC 2.0 allows it (section 4); `bigint` where the codec reads integers as such. */
export type RequestId = string | number | bigint | null;

/** A request, or, without `id`, a notification (JSON-RPC 2.0, section 4). */
export interface RequestFrame {
  /** The version of the protocol. */
  readonly jsonrpc: "2.0";
  /** The name of the method. */
  readonly method: string;
  /** The parameters: by name in an object, or by position in an array. Absent for none. */
  readonly params?: object;
  /** The identifier that the answer repeats. Absent in a notification, which has no answer. */
  readonly id?: RequestId;
}

/** The reason why a request failed (JSON-RPC 2.0, section 5.1). */
export interface ErrorObject {
  /** The reason, for programs. */
  readonly code: number;
  /** The reason, for people. */
  readonly message: string;
  /** Details that the other end adds. */
  readonly data?: unknown;
}

/** An answer to one request (JSON-RPC 2.0, section 5): it has either a result or an error. */
export interface AnswerFrame {
  /** The version of the protocol. */
  readonly jsonrpc: "2.0";
  /** The identifier of the request, null where it could not be read. */
  readonly id: RequestId;
  /** The value that the method returned. */
  readonly result?: unknown;
  /** Why the request failed. */
  readonly error?: ErrorObject;
}

/** The messages of this layer. Batches of requests are never sent, only their answers. */
export type RpcMessage = RequestFrame | AnswerFrame | readonly AnswerFrame[];

/** The version that every frame names. */
export const VERSION = "2.0";
/** The first characters of the methods that are reserved for layers. */
export const RESERVED = "$/";
/** The notification that cancels a request, with its `id` (Language Server Protocol). */
export const CANCEL = "$/cancelRequest";

/** A value that came in, by what it is; `invalid` claims to be JSON-RPC and is not. */
export type FrameType = "request" | "answer" | "invalid" | "other";

/** Returns what `value` is, which may be anything. A batch is `other`, because each of its members has a type of its own. */
export function frameType(value: unknown): FrameType {
  if (!isJsonRpc(value)) return "other";
  const { method, params, id, result, error } = value;
  if (method === undefined) return id !== undefined && (result !== undefined || error) ? "answer" : "invalid";
  // Some implementations send null for no parameters.
  const isSound = typeof method === "string" && (params === undefined || typeof params === "object") && isId(id);
  return isSound ? "request" : "invalid";
}

/** Whether `value` claims to be a frame of JSON-RPC 2.0. */
export function isJsonRpc(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && (value as { jsonrpc?: unknown }).jsonrpc === VERSION;
}

/** Whether `error` is an error object. */
export function isErrorObject(error: unknown): error is ErrorObject {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return Number.isInteger(code) && typeof message === "string";
}

/** Creates a request, or a notification where there is no `id`. Absent members are left out, because some codecs would send them. */
export function requestFrame(method: string, params: object | undefined, id?: number): RequestFrame {
  const frame = { jsonrpc: VERSION, method } as { -readonly [key in keyof RequestFrame]: RequestFrame[key] };
  if (params !== undefined) frame.params = params;
  if (id !== undefined) frame.id = id;
  return frame;
}

/** Creates the answer to a request that failed. */
export function errorFrame(id: RequestId, { code, message, data }: ErrorObject): AnswerFrame {
  return { jsonrpc: VERSION, id, error: data === undefined ? { code, message } : { code, message, data } };
}

function isId(id: unknown): boolean {
  return id === undefined || id === null || typeof id === "string" || typeof id === "bigint" || Number.isFinite(id);
}
