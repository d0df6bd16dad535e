import type { SendOptions } from "../base/send-options.ts";
import type { CloseInfo } from "../core/events.ts";
import type { CallOptions, LayerMethods, RpcConn } from "../rpc/index.ts";

/** The part of a Conn that this layer needs. The codec carries objects: `json()`, `msgpack()` or `cbor()`. */
export interface ChannelsConn extends RpcConn {
  /** As `conn.close()`. Without it, `close()` of channels does what `detach()` does. */
  close?(): Promise<CloseInfo>;
}

/** The part of a peer that this layer needs. */
export interface ChannelsPeer {
  /** As `peer.conn`. */
  readonly conn: ChannelsConn;
  /** As `peer.call()`. */
  call(method: string, params?: object, options?: CallOptions): Promise<unknown>;
  /** As `peer.notify()`. */
  notify(method: string, params?: object, options?: SendOptions): Promise<void>;
  /** As `peer.extend()`. */
  extend(methods: LayerMethods): () => void;
  /** As `peer.detach()`. */
  detach(): void;
}
