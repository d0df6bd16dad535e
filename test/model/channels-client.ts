import { channels } from "../../src/channels/index.ts";
import type { Hub } from "../../src/hub/index.ts";
import { FakeRpcConn } from "../support/fake-rpc-conn.ts";
import { ModelConnection, type WireFilter } from "./channels-connection.ts";

/** The model, as its clients see it. */
export interface ModelView {
  readonly channel: string;
  /** The predecessor of an entry that was ever appended. */
  previousOf(position: string): string | undefined;
  named(position: string | null): string;
  violate(violation: string): void;
}

type Room = ReturnType<ReturnType<typeof channels>["subscribe"]>;

/** One subscription of a client, which checks each message against the log. */
export class ModelRoom {
  readonly #view: ModelView;
  readonly name: string;
  readonly #room: Room;
  readonly #reader: AsyncIterator<{ readonly position: string | null }> | undefined;
  readonly #seen = new Set<string>();
  /** Gaps that were reported and not reached, because messages before these wait to be read. */
  #gaps: { readonly after: string; readonly position: string }[] = [];
  gaps = 0;
  #last: string | undefined;
  #isPulling = false;
  #isLeft = false;

  /** @param isPulled whether its messages are read one by one, with a queue of one */
  constructor(view: ModelView, name: string, room: Room, from: string | undefined, isPulled: boolean) {
    this.#view = view;
    this.name = name;
    this.#room = room;
    this.#last = from;
    room.on("gap", ({ after, position }) => {
      this.#gaps.push({ after: view.named(after), position: view.named(position) });
      this.gaps++;
    });
    room.ready.then(
      () => {
        this.#last ??= room.position ?? undefined;
      },
      (error) => this.#isLeft || view.violate(`${name} was refused: ${error}`),
    );
    if (isPulled) this.#reader = room[Symbol.asyncIterator]();
    else room.on("message", ({ position }) => this.#check(view.named(position)));
  }

  /** The position of the last message, or after which the next one is to come. */
  get last(): string | undefined {
    let last = this.#last;
    for (const { after, position } of this.#gaps) if (after === last) last = position;
    return last;
  }

  get canPull(): boolean {
    return this.#reader !== undefined && !this.#isPulling;
  }

  /** Reads the next message, once there is one. */
  pull(): void {
    this.#isPulling = true;
    this.#reader?.next().then(({ done, value }) => {
      this.#isPulling = false;
      if (!done) this.#check(this.#view.named(value.position));
    });
  }

  close(): void {
    this.#isLeft = true;
    this.#room.close();
  }

  #check(position: string): void {
    for (let next = this.#gaps[0]; next && next.after === this.#last; next = this.#gaps[0]) {
      this.#last = next.position;
      this.#gaps.shift();
    }
    const previous = this.#view.previousOf(position);
    if (previous !== this.#last) {
      this.#view.violate(
        `${this.name}: ${position} follows ${previous} in the log, and was delivered after ${this.#last}`,
      );
    }
    if (this.#seen.has(position)) this.#view.violate(`${this.name}: ${position} was delivered twice`);
    this.#seen.add(position);
    this.#last = position;
  }
}

/** The client of this package over a Conn that the model moves: from connection to connection, and from node to node. */
export class ModelClient {
  readonly id: string;
  readonly rooms: ModelRoom[] = [];
  /** Positions of the publishes that resolved. */
  readonly published: string[] = [];
  /** Connections that the client has lost and the server has not noticed. */
  readonly halfOpen: ModelConnection[] = [];
  connection: ModelConnection;
  node: number;
  isAway = false;
  readonly #view: ModelView;
  readonly #hubs: readonly Hub[];
  readonly #createFilter: () => WireFilter;
  #joined = 0;
  readonly #near = new FakeRpcConn();
  readonly #live = channels(this.#near, { backoff: () => 1_000 });

  constructor(
    view: ModelView,
    hubs: readonly Hub[],
    node: number,
    options: { readonly id: string; readonly hasSession: boolean; readonly createFilter: () => WireFilter },
  ) {
    this.#view = view;
    this.#hubs = hubs;
    this.node = node;
    this.id = options.id;
    this.#createFilter = options.createFilter;
    this.#near.hasSession = options.hasSession;
    this.connection = this.#connect();
  }

  /** Connections on which something may still arrive at a node. */
  get connections(): readonly ModelConnection[] {
    return this.isAway ? this.halfOpen : [...this.halfOpen, this.connection];
  }

  /** Puts what was written since on its way. */
  collect(): void {
    if (!this.isAway) this.connection.collect();
  }

  join(from?: string, isPulled = false): ModelRoom {
    const options = { ...(from !== undefined && { from }), ...(isPulled && { maxQueued: 1 }) };
    const name = `${this.id}.${this.#joined++}`;
    const room = new ModelRoom(this.#view, name, this.#live.subscribe(this.#view.channel, options), from, isPulled);
    this.rooms.push(room);
    return room;
  }

  leave(room: ModelRoom): void {
    room.close();
    this.rooms.splice(this.rooms.indexOf(room), 1);
  }

  async publish(data: unknown): Promise<void> {
    try {
      this.published.push(this.#view.named(await this.#live.publish(this.#view.channel, data)));
    } catch (error) {
      this.#view.violate(`${this.id} could not publish ${data}: ${error}`);
    }
  }

  /** Loses the connection. Its server does not know. */
  drop(): void {
    this.collect();
    this.isAway = true;
    this.connection.cut(this.#near.hasSession);
    if (!this.#near.hasSession) this.halfOpen.push(this.connection);
    this.#near.drop();
  }

  /** Opens another connection: to the same node into its session if there is one, otherwise as a new client. */
  return(node: number): void {
    const { far } = this.connection;
    const isResumed = this.#near.hasSession && node === this.node;
    this.node = node;
    if (isResumed) {
      this.connection.cut(true);
      far.drop();
      far.reopen();
    } else {
      if (this.#near.hasSession) {
        this.halfOpen.push(this.connection);
        this.#near.loseSession();
      }
      this.connection = this.#connect();
    }
    this.isAway = false;
    this.#near.reopen();
    this.collect();
  }

  #connect(): ModelConnection {
    return new ModelConnection(this.#near, this.#hubs[this.node] as Hub, this.id, this.#createFilter());
  }
}
