const TAGS = 128;
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/**
 * The names of keys and of feeds in Redis. All names of one channel share one of 128 hash tags, so that a Redis Cluster could
 * hold them together one day without new names.
 */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Returns the key of a log's last position and of the time until which its entries are kept, a string. */
  head(channel: string): string {
    return this.#of("head", channel);
  }

  /** Returns the key of a log's entries, a stream. */
  log(channel: string): string {
    return this.#of("log", channel);
  }

  /** Returns the name of the channel of Redis to which entries are published. */
  feed(channel: string): string {
    return this.#of("feed", channel);
  }

  /** Returns the key of a channel's members, a hash with a field for each node and client. */
  members(channel: string): string {
    return this.#of("members", channel);
  }

  /** Returns the key of the result of an id's first publish. With the length, because other names and ids may join to the same text. */
  publishId(channel: string, id: string): string {
    return this.#of("id", channel, `${channel.length}:${channel}:${id}`);
  }

  /** Returns a key that never exists, for a write that changes nothing. */
  nothing(channel: string): string {
    return this.#of("nothing", channel, "");
  }

  /** Returns the key of a node's lease, which lasts while the node renews it. */
  lease(node: string): string {
    return this.leasePrefix + node;
  }

  get leasePrefix(): string {
    return `${this.#prefix}:node:`;
  }

  /** The names of all leases that may last, as a set. */
  get nodes(): string {
    return `${this.#prefix}:nodes`;
  }

  #of(kind: string, channel: string, rest = channel): string {
    return `${this.#prefix}:{${tagOf(channel)}}:${kind}:${rest}`;
  }
}

/** Returns one of 128 tags: FNV-1a of the name. */
function tagOf(channel: string): string {
  let hash = HASH_START;
  for (let i = 0; i < channel.length; i++) hash = Math.imul(hash ^ channel.charCodeAt(i), HASH_PRIME);
  return ((hash >>> 0) % TAGS).toString(16).padStart(2, "0");
}
