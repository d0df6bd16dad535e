import type { Payload } from "../../src/base/payload.ts";
import type { CloseInfo } from "../../src/core/events.ts";
import type { Hub, HubConn, ServeOptions } from "../../src/hub/index.ts";
import { FakeRpcConn } from "./fake-rpc-conn.ts";

/** Shared by all clients, as a handler's codec is. Counts what it marshals. */
export const codec = {
  marshalled: 0,
  marshal(value: unknown): Payload {
    this.marshalled++;
    return JSON.stringify(value);
  },
};

interface Frame {
  readonly method?: string;
  readonly id?: number;
  readonly params?: readonly unknown[];
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly data?: unknown };
}

/** A server's Conn and the client at its other end, moved by the test. */
export class HubClient extends FakeRpcConn implements HubConn {
  readonly codec = codec;
  bufferedAmount = 0;
  /** Bytes that each frame of the hub adds to `bufferedAmount`; 0 for a client that reads at once. */
  bytesPerFrame = 0;
  /** The longest frame that the Conn takes. */
  maxSendBytes = Number.POSITIVE_INFINITY;
  /** Frames that the hub wrote, and answers of the peer, in order. */
  readonly frames: Frame[] = [];
  readonly served: Promise<CloseInfo>;
  closedWith: number | undefined;
  #lastId = 0;

  constructor(hub: Hub, options: ServeOptions = {}) {
    super();
    this.served = hub.serve(this, options);
  }

  tryWrite(payload: Payload): boolean {
    if (payload.length > this.maxSendBytes) throw new Error("too-large");
    if (this.state !== "open" || this.bufferedAmount > 2 ** 20) return false;
    this.bufferedAmount += this.bytesPerFrame;
    this.frames.push(JSON.parse(String(payload)));
    return true;
  }

  override send(...args: Parameters<FakeRpcConn["send"]>): Promise<void> {
    this.frames.push(args[0] as Frame);
    return super.send(...args);
  }

  close(code: number): void {
    this.closedWith = code;
    this.end();
  }

  /** Sends a request of the client, and returns its identifier. */
  request(method: string, params: unknown): number {
    this.#lastId++;
    this.deliver({ jsonrpc: "2.0", method, params, id: this.#lastId });
    return this.#lastId;
  }

  subscribe(channels: Readonly<Record<string, object>>): number {
    return this.request("$/subscribe", { channels });
  }

  unsubscribe(...names: string[]): void {
    this.deliver({ jsonrpc: "2.0", method: "$/unsubscribe", params: names });
  }

  publish(channel: string, data: unknown, id: string): number {
    return this.request("$/publish", { channel, data, id });
  }

  /** The answer to a request: its result, or the code and data of its error. */
  answerTo(request: number): unknown {
    const frame = this.frames.find(({ id, method }) => id === request && method === undefined);
    return frame?.error ? [frame.error.code, frame.error.data] : frame?.result;
  }

  /** Takes the notifications that came since this was last called, as `method ...params`, without answers. */
  take(): unknown[][] {
    const taken = this.frames.splice(0).filter(({ method }) => method !== undefined);
    return taken.map(({ method, params }) => [String(method).slice(2), ...(params ?? [])]);
  }

  /** Takes the data of the messages that came since. */
  takeData(): unknown[] {
    return this.take()
      .filter(([method]) => method === "message")
      .map((frame) => frame[4]);
  }
}
