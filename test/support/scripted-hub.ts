import { type Channels, type ChannelsOptions, channels } from "../../src/channels/index.ts";
import type { SubscribeRequest } from "../../src/channels/protocol/frames.ts";
import type { RequestFrame, RpcMessage } from "../../src/rpc/frames.ts";
import { FakeRpcConn } from "./fake-rpc-conn.ts";

/** The other end of the wire of channels, moved by the test: it answers and sends what the test says, and nothing else. */
export class ScriptedHub {
  readonly conn = new FakeRpcConn();
  readonly live: Channels;

  constructor(options?: ChannelsOptions) {
    this.live = channels(this.conn, { backoff: (attempt) => 1_000 * 2 ** attempt, ...options });
  }

  /** Every frame that the client sent, as method and parameters, answers aside. */
  get sent(): readonly (readonly [method: string, params: unknown])[] {
    return this.conn.written.filter(isRequest).map(({ method, params }) => [method, params]);
  }

  /** The channels that each `$/subscribe` asked for. */
  get asked(): readonly { readonly [channel: string]: SubscribeRequest }[] {
    return this.requests("$/subscribe").map(({ params }) => (params as { channels: object }).channels as never);
  }

  /** The publishes that were sent. */
  get published(): readonly { readonly channel: string; readonly data: unknown; readonly id: string }[] {
    return this.requests("$/publish").map(({ params }) => params as never);
  }

  /** Answers the last request of this method. */
  answer(method: string, result: unknown = null): void {
    this.conn.answer(result, this.requests(method).at(-1)?.id);
  }

  /** Answers the last request of this method with an error. */
  refuse(method: string, code: number, data?: unknown): void {
    const id = this.requests(method).at(-1)?.id;
    this.conn.deliver({ jsonrpc: "2.0", id, error: { code, message: "no", ...(data !== undefined && { data }) } });
  }

  notify(method: string, ...params: unknown[]): void {
    this.conn.deliver({ jsonrpc: "2.0", method, params });
  }

  /** Answers the last `$/subscribe`, and attaches a channel that it asked for. */
  attach(channel: string, after: string | null, head = after, hasGap = false): void {
    this.answer("$/subscribe");
    this.notify("$/attached", channel, after, head, hasGap);
  }

  /** Sends messages whose positions and data are these numbers, each after the number before it. */
  message(channel: string, ...numbers: number[]): void {
    for (const n of numbers) this.notify("$/message", channel, at(n - 1), at(n), n);
  }

  reopen(): void {
    this.conn.drop();
    this.conn.reopen();
  }

  requests(method: string): readonly RequestFrame[] {
    return this.conn.written.filter(isRequest).filter((frame) => frame.method === method);
  }
}

/** The position of the message `n`. */
export const at = (n: number): string => `${n.toString(36)}-tag`;

function isRequest(frame: RpcMessage): frame is RequestFrame {
  return "method" in frame;
}
