/** The request is not valid (JSON-RPC 2.0, section 5.1). */
export const INVALID_REQUEST = -32600;
/** There is no such method (JSON-RPC 2.0, section 5.1). */
export const METHOD_NOT_FOUND = -32601;
/** The parameters do not fit the method's schema (JSON-RPC 2.0, section 5.1). */
export const INVALID_PARAMS = -32602;
/** The handler failed (JSON-RPC 2.0, section 5.1). */
export const INTERNAL_ERROR = -32603;
/** Too many requests run or wait already. */
export const BUSY = -32001;
/** The caller cancelled the request (Language Server Protocol, `RequestCancelled`). */
export const CANCELLED = -32800;

/**
 * An error object of JSON-RPC 2.0 (section 5.1). A call rejects with the one that the other end sent; a handler throws one to
 * send exactly this code, message and data.
 *
 * @example
 * ```ts
 * const handlers = {
 *   search({ words }) {
 *     if (words === "") throw new RpcError(4, "Give at least one word.", { field: "words" });
 *     return find(words);
 *   },
 * };
 * ```
 */
export class RpcError extends Error {
  /** The reason, for programs. JSON-RPC reserves -32768 to -32000; all other codes are the application's. */
  readonly code: number;
  /** Details that the other end adds; their type is not checked. Default none. */
  readonly data: unknown;

  /** `code` is an integer, `message` is for people, and `data` anything that the Conn's codec can send. */
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}
