import type { StandardSchema } from "../codec/validated.ts";
import type { HandlerContext } from "./incoming-request.ts";

/**
 * One function for each method. Its only parameter, an object or an array, travels as JSON-RPC's `params`. A primitive or
 * a second parameter makes the type of the method `never`.
 */
export type Contract<Api> = { readonly [Method in keyof Api]: MethodType<Api[Method]> };

/** A method of a contract, or `never` where it has parameters that can't travel. */
export type MethodType<Method> = Method extends () => unknown
  ? Method
  : Method extends (params: infer Params) => unknown
    ? [Params] extends [object | undefined]
      ? Method
      : never
    : never;

/** Any methods, with any parameters and results. */
export type AnyContract = {
  /** A method by its name. */
  // biome-ignore lint/suspicious/noExplicitAny: without a contract, parameters and results are the caller's to name
  readonly [method: string]: (params?: any) => any;
};

/** The names of the methods of a contract. */
export type MethodName<Api> = keyof Api & string;

/** The parameters of a method, `undefined` for one that has none. */
export type ParamsOf<Method> = Method extends (...args: infer Args) => unknown
  ? Args extends readonly []
    ? undefined
    : Args extends readonly [infer Params]
      ? Params
      : Args extends readonly [(infer Params)?]
        ? Params | undefined
        : never
  : never;

/** The value that a call of a method resolves with. */
export type ResultOf<Method> = Method extends (...args: never) => infer Result ? Awaited<Result> : never;

/** The arguments of a call after the name: parameters may be left out where the method has none, or optional ones. */
export type CallArguments<Method, Options> =
  undefined extends ParamsOf<Method>
    ? [params?: ParamsOf<Method>, options?: Options]
    : [params: ParamsOf<Method>, options?: Options];

/** Runs a method: returns the result or a promise of it, or throws. */
export type Handler<Method> = (
  params: ParamsOf<Method>,
  context: HandlerContext,
) => ResultOf<Method> | PromiseLike<ResultOf<Method>>;

/** The handlers of a contract; a method without one is unknown to the other end. */
export type Handlers<Api> = { readonly [Method in keyof Api]?: Handler<Api[Method]> | undefined };

/** Schemas that check the parameters of methods, and give the handlers their values. */
export type Schemas<Api> = {
  readonly [Method in keyof Api]?: StandardSchema<unknown, ParamsOf<Api[Method]>> | undefined;
};

/** Methods of a layer, whose names begin with `$/`. Each runs at once, and does not count for `maxHandlers`. */
export interface LayerMethods {
  readonly [method: `$/${string}`]: (params: object | undefined, context: HandlerContext) => unknown;
}
