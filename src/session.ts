import type { Line } from "./outbox.ts";
import type { Payload } from "./payload.ts";
import type { Ending } from "./verdict.ts";

/** How a session took to a fresh connection. */
export interface Beginning {
  /** What to write to from here on: the connection itself, or a wrapping of it. */
  readonly line: Line;
  /** Whether messages go on from where they stood. */
  readonly resumed: boolean;
}

/**
 * What a resume layer may do. On each connection the core calls `offer` before the dial, `begin` when the socket is
 * open, `incoming` for every payload from then on, and `ended` if it ends by itself rather than being left by us.
 */
export interface Session {
  /** The subprotocols to offer, given the application's own. */
  offer(protocols: readonly string[]): readonly string[];
  /** Settles when messages may flow. `protocol` is what the server selected, `""` for none. */
  begin(line: Line, protocol: string): Beginning | Promise<Beginning>;
  /** The payload as the application sees it, or `undefined` for one that was the session's own. */
  incoming(payload: Payload): Payload | undefined;
  /** The connection has ended unasked. */
  ended(ending: Ending): void;
}

/** No session: nothing is kept, nothing is changed. */
export const plain: Session = {
  offer: (protocols) => protocols,
  begin: (line) => ({ line, resumed: false }),
  incoming: (payload) => payload,
  ended: () => {},
};
