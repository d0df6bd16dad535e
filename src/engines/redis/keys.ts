const TAGS = 128;
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/**
 * The names of keys and of feeds in Redis. Those of one channel share one of 128 hash tags, so that a Redis Cluster could
 * hold them together one day without new names.
 */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The last position of a log and the time until which its entries are kept, as a string. */
  head(channel: string): string {
    return this.#of("head", channel);
  }

  /** The entries of a log, as a stream. */
  log(channel: string): string {
    return this.#of("log", channel);
  }

  /** The channel of Redis to which entries are published. */
  feed(channel: string): string {
    return this.#of("feed", channel);
  }

  /** The members of a channel, as a hash with a field for each node and client. */
  members(channel: string): string {
    return this.#of("members", channel);
  }

  /** The result of the first publish of an id. The length keeps apart names and ids that join to the same text. */
  publishId(channel: string, id: string): string {
    return this.#of("id", channel, `${channel.length}:${channel}:${id}`);
  }

  /** A key that never exists, for a write that changes nothing. */
  nothing(channel: string): string {
    return this.#of("nothing", channel, "");
  }

  /** The sign of life of a node. */
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
