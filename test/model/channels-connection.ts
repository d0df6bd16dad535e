import type { Payload } from "../../src/base/payload.ts";
import type { Hub } from "../../src/hub/index.ts";
import type { FakeRpcConn } from "../support/fake-rpc-conn.ts";
import { HubClient } from "../support/hub-client.ts";

/** A frame on its way, in either direction. */
export interface WireFrame {
  readonly method?: string;
  readonly id?: unknown;
  readonly params?: unknown;
}

/** Changes frames on their way, to take a rule of one of the ends out. */
export interface WireFilter {
  /** Returns what the server gets of a frame of the client, or undefined for nothing. */
  up(frame: WireFrame): WireFrame | undefined;
  /** Returns what the client gets of a frame of the server, or undefined for nothing. */
  down(frame: WireFrame): WireFrame | undefined;
  /** Returns what the client gets at once for a frame of its own. */
  echo(frame: WireFrame): WireFrame | undefined;
  /** Whether the hub takes a full connection for one that takes every frame. */
  readonly isFullIgnored: boolean;
}

/** The server's end of a connection, whose buffer the test fills. */
class FarConn extends HubClient {
  isFull = false;
  readonly #isFullIgnored: boolean;

  constructor(hub: Hub, id: string, isFullIgnored: boolean) {
    super(hub, { id });
    this.#isFullIgnored = isFullIgnored;
  }

  /** The real one reports that nothing is written, and the hub keeps the subscription's position. */
  override tryWrite(payload: Payload): boolean {
    return this.isFull ? this.#isFullIgnored : super.tryWrite(payload);
  }
}

/** One connection between a client and a node: frames wait on it, in both directions, until the test lets one arrive. */
export class ModelConnection {
  readonly far: FarConn;
  /** Frames that the client wrote and the server has not. */
  readonly up: WireFrame[] = [];
  readonly #near: FakeRpcConn;
  readonly #filter: WireFilter;

  constructor(near: FakeRpcConn, hub: Hub, id: string, filter: WireFilter) {
    this.#near = near;
    this.#filter = filter;
    this.far = new FarConn(hub, id, filter.isFullIgnored);
    this.far.hasSession = near.hasSession;
  }

  /** Frames that the server wrote and the client has not. */
  get down(): readonly WireFrame[] {
    return this.far.frames;
  }

  /** Puts what the client has written on its way. */
  collect(): void {
    for (const frame of this.#near.written.splice(0)) {
      const passed = this.#filter.up(frame as WireFrame);
      if (passed) this.up.push(passed);
      const echo = this.#filter.echo(frame as WireFrame);
      if (echo) this.#near.deliver(echo);
    }
  }

  arriveUp(): void {
    this.far.deliver(this.up.shift());
  }

  arriveDown(): void {
    const frame = this.#filter.down(this.far.frames.shift() as WireFrame);
    if (frame) this.#near.deliver(frame);
  }

  /** The client's end is lost, and with it what is on its way to it; a session keeps all but what the hub wrote past it. */
  cut(hasSession: boolean): void {
    const kept = hasSession ? this.far.frames.filter(({ method }) => method === undefined) : [];
    this.far.frames.splice(0, this.far.frames.length, ...kept);
  }

  /** Has the hub wait with what it writes, or go on. */
  fill(isFull: boolean): void {
    this.far.isFull = isFull;
  }

  /** Whether the hub still writes to it. */
  get isOpen(): boolean {
    return this.far.state === "open";
  }

  /** The server notices that the connection is lost. */
  end(): void {
    this.up.length = 0;
    this.far.frames.length = 0;
    this.far.end();
  }
}
