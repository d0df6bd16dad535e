import { Conn } from "./conn.ts";
import type { ConnectionSource } from "./connect-attempt.ts";
import type { ConnOptions, Provider, Url } from "./options.ts";

type InternalConstructor<In, Out> = new (
  url: Provider<Url>,
  options: ConnOptions<In, Out>,
  source: ConnectionSource,
) => Conn<In, Out>;

/** Creates a Conn whose connections come from `source`. Not public: a server has accepted the connections already. */
export function createConn<In, Out>(
  url: Provider<Url>,
  options: ConnOptions<In, Out>,
  source: ConnectionSource,
): Conn<In, Out> {
  return new (Conn as InternalConstructor<In, Out>)(url, options, source);
}
