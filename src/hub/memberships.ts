import { Timer } from "../base/timer.ts";
import type { Engine } from "../server/engine.ts";
import type { MemberChange } from "./member-change.ts";

/** Writes the members of this node, and reports each change to all nodes. */
export interface MemberStore {
  readonly engine: Engine;
  /** Appends a change to the inner channel. */
  report(channel: string, change: MemberChange): Promise<unknown>;
}

/** One client in one channel: the number of its connections here, and the info that the engine has. */
interface Place {
  readonly channel: string;
  readonly client: string;
  connections: number;
  grace: Timer | undefined;
  /** The info that the engine is to know; undefined for no member. */
  wanted: string | undefined;
  /** The info that the engine knows. */
  known: string | undefined;
  isWorking: boolean;
}

/** Milliseconds until a change is tried again that the engine did not take. */
const RETRY_MS = 1_000;

/** The members that this node has in all channels: one for each client id, until a grace after its last connection. */
export class Memberships {
  readonly #store: MemberStore;
  readonly #graceMs: number;
  readonly #channels = new Map<string, Map<string, Place>>();
  readonly #failed = new Set<Place>();
  readonly #retry = new Timer();
  #isStopped = false;

  constructor(store: MemberStore, graceMs: number) {
    this.#store = store;
    this.#graceMs = graceMs;
  }

  has(channel: string, client: string): boolean {
    return this.#channels.get(channel)?.has(client) === true;
  }

  join(channel: string, client: string, info: string): void {
    const places = this.#channels.get(channel) ?? new Map<string, Place>();
    this.#channels.set(channel, places);
    const place = places.get(client) ?? {
      channel,
      client,
      connections: 0,
      grace: undefined,
      wanted: undefined,
      known: undefined,
      isWorking: false,
    };
    places.set(client, place);
    place.grace?.stop();
    place.grace = undefined;
    place.connections++;
    place.wanted = info;
    void this.#work(place);
  }

  /** Called when one connection of the client is over. The last one ends the membership: at once, or after the grace. */
  leave(channel: string, client: string, isAtOnce: boolean): void {
    const place = this.#channels.get(channel)?.get(client);
    if (!place || --place.connections > 0) return;
    const end = () => {
      place.grace = undefined;
      place.wanted = undefined;
      void this.#work(place);
    };
    if (isAtOnce) return end();
    place.grace = new Timer();
    place.grace.start(this.#graceMs, end, true);
  }

  /** Tries again what the engine did not take. */
  retry(): void {
    this.#retry.stop();
    const failed = [...this.#failed];
    this.#failed.clear();
    for (const place of failed) void this.#work(place);
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry.stop();
    for (const places of this.#channels.values()) for (const place of places.values()) place.grace?.stop();
    this.#channels.clear();
    this.#failed.clear();
  }

  /** Writes the wanted info to the engine, one change at a time for each place, so that their order stays. */
  async #work(place: Place): Promise<void> {
    if (place.isWorking) return;
    place.isWorking = true;
    try {
      while (place.wanted !== place.known && !this.#isStopped) await this.#change(place);
    } catch {
      this.#failed.add(place);
      this.#retry.start(RETRY_MS, () => this.retry(), true);
    }
    place.isWorking = false;
    if (place.wanted === undefined && place.known === undefined && place.connections === 0) this.#forget(place);
  }

  async #change(place: Place): Promise<void> {
    const { channel, client, wanted } = place;
    const { engine } = this.#store;
    const { node } = engine;
    if (wanted === undefined) await engine.removeMember(channel, client);
    else await engine.setMember(channel, client, wanted);
    await this.#store.report(channel, wanted === undefined ? { node, client } : { node, client, info: wanted });
    place.known = wanted;
  }

  #forget({ channel, client }: Place): void {
    const places = this.#channels.get(channel);
    places?.delete(client);
    if (places?.size === 0) this.#channels.delete(channel);
  }
}
