import type { ListenOptions } from "../base/emitter.ts";
import { badOption, ConnError } from "../base/errors.ts";
import { describeBadOption, isFunction, isObject } from "../base/option-rules.ts";
import type { SendOptions } from "../base/send-options.ts";
import type { CloseInfo } from "../core/events.ts";
import type { AnyContract, CallArguments, Contract, LayerMethods, MethodName, ParamsOf, ResultOf } from "./contract.ts";
import { requestFrame } from "./frames.ts";
import { type CallOptions, checkMethod, type RpcOptions, resolveCallOptions, resolveRpcOptions } from "./options.ts";
import { PeerCore } from "./peer.ts";
import type { RpcConn } from "./rpc-conn.ts";

export type {
  AnyContract,
  CallArguments,
  Contract,
  Handler,
  Handlers,
  LayerMethods,
  MethodName,
  MethodType,
  ParamsOf,
  ResultOf,
  Schemas,
} from "./contract.ts";
export type { AnswerFrame, ErrorObject, RequestFrame, RequestId, RpcMessage } from "./frames.ts";
export type { HandlerContext } from "./incoming-request.ts";
export type { CallOptions, RpcOptions } from "./options.ts";
export type { RpcConn, RpcConnEvents } from "./rpc-conn.ts";
export { RpcError } from "./rpc-error.ts";

/** One end of a connection on which both ends call each other. Its functions may be passed on alone. */
export interface Peer<Remote = AnyContract, Local = AnyContract> {
  /** The Conn that was given. */
  readonly conn: RpcConn;
  /** Resolves when the Conn has ended, with how; a server's `serve` function can return it. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  /**
   * Calls a method of the other end, and settles exactly once: resolves with the result, or rejects with RpcError (the
   * answer is an error), or with ConnError `timeout`, `aborted`, `interrupted` (the method may have run), `closed`,
   * `outbox-full` (neither was sent) or `unavailable` (too many calls are pending).
   *
   * @example const quote = await peer.call("quote", { symbol: "ROPE" }, { timeoutMs: 3_000 });
   * @throws ConnError `bad-option`, `misuse`, `marshal`, `too-large` at once
   */
  call<Method extends MethodName<Remote>>(
    method: Method,
    ...args: CallArguments<Remote[Method], CallOptions>
  ): Promise<ResultOf<Remote[Method]>>;
  /**
   * Sends a notification, which has no answer. Settles and throws as `conn.send()`.
   *
   * @example peer.notify("typing", { room: 7 }, { volatile: true });
   */
  notify<Method extends MethodName<Remote>>(
    method: Method,
    ...args: CallArguments<Remote[Method], SendOptions>
  ): Promise<void>;
  /**
   * Calls `listener` with the parameters of each notification of this name; returns an unsubscribe function. Notifications
   * whose parameters do not fit the schema of this name are left out.
   *
   * @throws ConnError `bad-option` for a name that begins with `$/`
   */
  on<Method extends MethodName<Local>>(
    method: Method,
    listener: (params: ParamsOf<Local[Method]>) => void,
    options?: ListenOptions,
  ): () => void;
  /**
   * Adds methods of a layer above, such as channels, and returns a function that removes them.
   *
   * @throws ConnError `misuse` for a name in use
   */
  extend(methods: LayerMethods): () => void;
  /** Stops using the Conn, which stays open. Pending and later calls reject with `aborted`, and running handlers are aborted. */
  detach(): void;
}

/**
 * Creates a peer that calls the other end, and answers its calls, by JSON-RPC 2.0 over a Conn whose codec carries objects.
 * Both ends use this function: `Remote` has the methods of the other end, `Local` those of this one.
 *
 * @example const peer = rpc<ServerApi, ClientApi>(conn, { handlers: { confirm: ({ text }) => ask(text) } });
 * @throws ConnError `bad-option`
 */
export function rpc<Remote extends Contract<Remote> = AnyContract, Local extends Contract<Local> = AnyContract>(
  conn: RpcConn,
  options: RpcOptions<NoInfer<Local>> = {},
): Peer<Remote, Local> {
  if (!isFunction(conn?.on)) throw badOption("conn", "a Conn", conn);
  const resolved = resolveRpcOptions(options as RpcOptions<AnyContract>);
  const core = new PeerCore(conn, resolved);
  const peer: Peer = {
    conn,
    get closed() {
      return conn.closed;
    },
    call(method, params, options) {
      checkParamsType(method, params);
      const { timeoutMs = resolved.timeoutMs, signal, retry = false } = resolveCallOptions(options);
      return core.caller.call({ method, params, timeoutMs, signal, retry });
    },
    notify(method, params, options) {
      checkParamsType(method, params);
      return conn.send(requestFrame(method, params), options);
    },
    on(method, listener, options) {
      checkMethod(method);
      return core.on(method, listener, options);
    },
    extend: (methods) => core.extend(methods),
    detach: () => core.detach(),
  };
  return peer as unknown as Peer<Remote, Local>;
}

/** Refuses a method that is no string, and parameters that JSON-RPC has no form for (section 4.2). @throws ConnError `misuse` */
function checkParamsType(method: string, params: unknown): void {
  const isSound = params === undefined || isObject(params);
  if (typeof method === "string" && isSound) return;
  const text = isSound
    ? describeBadOption("method", "a string", method)
    : describeBadOption("params", "an object or an array", params);
  throw new ConnError("misuse", text);
}
