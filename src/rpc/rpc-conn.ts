import type { ConnError } from "../base/errors.ts";
import type { SendOptions } from "../base/send-options.ts";
import type { CloseInfo, ConnEvents } from "../core/events.ts";
import type { StateName } from "../core/state-machine.ts";
import type { RpcMessage } from "./frames.ts";

/** The events that this layer listens to. */
export type RpcConnEvents = Pick<ConnEvents<unknown>, "message" | "state" | "session-lost" | "closed">;

/** The part of a Conn that this layer needs. The codec carries objects: `json()`, `msgpack()` or `cbor()`. */
export interface RpcConn {
  /** As `conn.state`. */
  readonly state: StateName;
  /** As `conn.hasSession`. */
  readonly hasSession: boolean;
  /** As `conn.closed`. */
  readonly closed: Promise<CloseInfo>;
  /** As `conn.send()`. */
  send(value: RpcMessage, options?: SendOptions): Promise<void>;
  /** As `conn.report()`: emits `error`. */
  report(error: ConnError): void;
  /** As `conn.on()`. */
  on<Name extends keyof RpcConnEvents>(event: Name, listener: (payload: RpcConnEvents[Name]) => void): () => void;
}
