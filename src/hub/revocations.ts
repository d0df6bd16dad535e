import type { Engine, History, LogEntry } from "../server/engine.ts";
import { LogFollower } from "./log-follower.ts";

/** The rights that end: those of a client to one channel, or to all. */
export interface Revocation {
  /** The client, as `serve()` was given it. */
  readonly client: string;
  /** The name of the channel. Default all channels. */
  readonly channel?: string | undefined;
}

/** The node, as its revocations see it. */
export interface RevocationOwner {
  onRevoked(revocation: Revocation): void;
  /** Called when revocations were missed for good. */
  onMissed(): void;
}

/** No client can name it, because it has a control character. */
const CHANNEL = "\u0001revocations";

/** Rights that were taken away, as entries of an inner channel, so that a node that was cut off learns of them. */
export class Revocations {
  readonly #engine: Engine;
  readonly #history: History;
  readonly #follower: LogFollower;

  constructor(engine: Engine, history: History, owner: RevocationOwner) {
    this.#engine = engine;
    this.#history = history;
    this.#follower = new LogFollower(engine, CHANNEL, history, {
      onEntry: ({ data }: LogEntry) => {
        const revocation = parse(data);
        if (revocation) owner.onRevoked(revocation);
        else owner.onMissed();
      },
      onGap: () => owner.onMissed(),
      isKnown: () => false,
    });
  }

  get follower(): LogFollower {
    return this.#follower;
  }

  /** Has all nodes end the rights. Rejects with `unavailable`. */
  async publish({ client, channel }: Revocation): Promise<void> {
    await this.#engine.publish(CHANNEL, JSON.stringify({ client, channel }), { history: this.#history });
  }

  /** Reads what was missed, and resolves with whether that is known to be all. Rejects if the engine is away. */
  async catchUp(): Promise<boolean> {
    await this.#follower.start();
    const [head] = await this.#engine.heads([{ channel: CHANNEL, history: this.#history }]);
    return head !== undefined && (await this.#follower.check(head));
  }
}

function parse(data: unknown): Revocation | undefined {
  try {
    const { client, channel } = JSON.parse(String(data));
    const isOurs = typeof client === "string" && (channel === undefined || typeof channel === "string");
    return isOurs ? { client, channel } : undefined;
  } catch {
    return undefined;
  }
}
