import { noop } from "../../base/deferred.ts";
import { Timer } from "../../base/timer.ts";
import type { NodeChange } from "../../server/engine.ts";
import type { Commands } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { NODES } from "./scripts.ts";
import { textOf } from "./wire.ts";

/** How often leases are read within the time that one lasts. */
const LOOKS = 10;

export interface NodeWatchOwner {
  /** Whether this node has members, and so sees the members of others. */
  readonly isNeeded: boolean;
  /** Whether nodes that seem dead get time to join anew. */
  readonly isGrace: boolean;
  /** Called with the name of another node, not of its lease. */
  onNode(node: string, change: NodeChange): void;
}

/**
 * Finds nodes whose leases have ended, and nodes that have joined anew. One call serves all channels, because a look at
 * the members of each channel would cost Redis as much for a quiet channel as for a busy one.
 */
export class NodeWatch {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #lookMs: number;
  readonly #owner: NodeWatchOwner;
  readonly #timer = new Timer();
  /** The leases that lasted at the last look. */
  #leases: ReadonlySet<string> = new Set();
  #isLooking = false;

  constructor(commands: Commands, keys: Keys, leaseMs: number, owner: NodeWatchOwner) {
    this.#commands = commands;
    this.#keys = keys;
    this.#lookMs = leaseMs / LOOKS;
    this.#owner = owner;
    this.#lookLater();
  }

  stop(): void {
    this.#timer.stop();
  }

  #lookLater(): void {
    const onTime = () => {
      this.#lookLater();
      if (this.#owner.isNeeded && !this.#owner.isGrace && !this.#isLooking) this.#look().catch(noop);
    };
    this.#timer.start(this.#lookMs, onTime, true);
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    try {
      const reply = await this.#commands.run(NODES, [this.#keys.nodes], [this.#keys.leasePrefix], {
        isRepeatable: true,
      });
      if (this.#owner.isGrace || !Array.isArray(reply)) return;
      const before = this.#leases;
      this.#leases = new Set(reply.map((name) => textOf(name) ?? ""));
      const now = new Set([...this.#leases].map(nodeOf));
      for (const node of new Set([...before].map(nodeOf))) if (!now.has(node)) this.#owner.onNode(node, "gone");
      for (const lease of this.#leases) {
        if (!before.has(lease) && !isFirstJoin(lease)) this.#owner.onNode(nodeOf(lease), "back");
      }
    } finally {
      this.#isLooking = false;
    }
  }
}

const nodeOf = (lease: string) => lease.slice(0, lease.lastIndexOf("."));
/** Whether the node has just begun: its members come as entries. */
const isFirstJoin = (lease: string) => lease.endsWith(".1");
