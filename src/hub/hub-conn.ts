import type { Payload } from "../base/payload.ts";
import type { Peer } from "../rpc/index.ts";
import type { RpcConn } from "../rpc/rpc-conn.ts";

/** The part of a codec that makes a payload of a frame. Messages are marshalled once for all Conns of one codec object. */
export interface FrameCodec {
  /** Returns the payload of a frame. */
  marshal(value: unknown): Payload;
}

/** The part of a server's Conn that a hub needs. */
export interface HubConn extends RpcConn {
  /** As `conn.codec`. */
  readonly codec: FrameCodec;
  /** As `conn.bufferedAmount`. */
  readonly bufferedAmount: number;
  /** As `conn.tryWrite()`. */
  tryWrite(payload: Payload): boolean;
  /** As `conn.close()`. */
  close(code: number, reason: string): unknown;
}

/** A peer of `tautline/rpc` on a server's Conn, whose own methods stay beside those of the hub. */
export type HubPeer = Pick<Peer, "conn" | "extend">;
