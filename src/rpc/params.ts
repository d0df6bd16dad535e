import type { SchemaResult, StandardSchema } from "../codec/validated.ts";
import { INVALID_PARAMS, RpcError } from "./rpc-error.ts";

/** Issues that are reported to the caller; a schema may find one for each member of an array. */
const MAX_ISSUES = 3;

/** Calls `act` with what `schema` makes of `params`. @throws RpcError -32602, with the first issues as its data */
export function checkParams<Params>(
  schema: StandardSchema<unknown, Params>,
  params: unknown,
  act: (params: Params) => unknown,
): unknown {
  const result = schema["~standard"].validate(params);
  return "then" in result ? result.then((late) => act(accepted(late))) : act(accepted(result));
}

function accepted<Params>({ issues, ...result }: SchemaResult<Params>): Params {
  if (!issues) return (result as { readonly value: Params }).value;
  const data = issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => ({
    message,
    path: path.map((part) => pathKey(typeof part === "object" ? part.key : part)),
  }));
  throw new RpcError(INVALID_PARAMS, "The parameters are not valid.", data);
}

/** Returns a key that can be sent, because a symbol has no form on the wire. */
function pathKey(key: PropertyKey): string | number {
  return typeof key === "number" ? key : String(key);
}
