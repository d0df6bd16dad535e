import { Buffer } from "node:buffer";
import type { ConnError } from "../../base/errors.ts";
import type { Payload } from "../../base/payload.ts";
import { formatPosition, randomTag } from "../../base/position.ts";
import type { History, LogPart, Position, ReadFrom, ReadLimit } from "../../server/engine.ts";
import type { Commands } from "./commands.ts";
import { foreign } from "./failures.ts";
import type { Keys } from "./keys.ts";
import { HEADS, PUBLISH, READ } from "./scripts.ts";
import { idOf, kindOf, parseLog, positionOf, randomIdTag, textOf } from "./wire.ts";

/** Channels whose heads are asked for at once. */
const CHUNK = 500;
/** The result of a publish to a channel without history. */
const NO_POSITION = "-";

interface ChannelHistory {
  readonly channel: string;
  readonly history: History;
}

/** The logs of channels in Redis. */
export class Logs {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #headTtlMs: number;
  readonly #onError: (error: ConnError) => void;

  constructor(commands: Commands, keys: Keys, headTtlMs: number, onError: (error: ConnError) => void) {
    this.#commands = commands;
    this.#keys = keys;
    this.#headTtlMs = headTtlMs;
    this.#onError = onError;
  }

  /** Publishes `data`. With an id a publish may be sent again; without one it is sent once. */
  async publish(
    channel: string,
    data: Payload,
    history: History | undefined,
    id: string | undefined,
  ): Promise<Position | null> {
    const keys = this.#keys;
    const logKeys = history ? [keys.head(channel), keys.log(channel)] : [keys.nothing(channel), keys.nothing(channel)];
    const idKeys = id === undefined ? [] : [keys.publishId(channel, id)];
    const bounds = history ? [String(history.size), String(history.ttlMs), this.#headTtl(history)] : [];
    const value = typeof data === "string" ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const args = [keys.feed(channel), kindOf(data), value, randomIdTag(), ...bounds];
    const reply = await this.#commands.run(PUBLISH, [...logKeys, ...idKeys], args, { isRepeatable: id !== undefined });
    if (textOf(reply) === NO_POSITION) return null;
    return positionOf(reply) ?? this.#refuse(`the result of a publish to ${channel}`);
  }

  async read(channel: string, from: ReadFrom, limit: ReadLimit): Promise<LogPart | undefined> {
    const after = "after" in from ? idOf(from.after) : undefined;
    // A text that is no position is in no log. The call is made nevertheless, because it fails without an engine.
    const mode = "after" in from ? ["after", after ?? "0-0"] : ["last", String(from.last)];
    const bounds = [String(Math.max(1, limit.messages)), String(limit.bytes), randomIdTag(), String(this.#headTtlMs)];
    const keys = [this.#keys.head(channel), this.#keys.log(channel)];
    const reply = await this.#commands.run(READ, keys, [...mode, ...bounds], { isRepeatable: true });
    if (reply === null || ("after" in from && after === undefined)) return undefined;
    const log = parseLog(reply) ?? this.#refuse(`the log of ${channel}`);
    if (log.isBroken) this.#onError(foreign(`entries in the log of ${channel}`));
    const { entries, head } = log;
    const [first] = entries;
    const isGap = "after" in from && (first ? first.previous !== from.after : head !== from.after);
    return isGap ? undefined : { entries, head };
  }

  async head(channel: string, history: History): Promise<Position> {
    const [head] = await this.#askHeads([{ channel, history }]);
    return head ?? this.#refuse(`the head of ${channel}`);
  }

  /** Returns the heads of logs. For a log of another version it is random, so that readers find a gap and read the error. */
  async heads(channels: readonly ChannelHistory[]): Promise<Position[]> {
    const chunks = Array.from({ length: Math.ceil(channels.length / CHUNK) }, (_, i) =>
      this.#askHeads(channels.slice(i * CHUNK, (i + 1) * CHUNK)),
    );
    const heads = (await Promise.all(chunks)).flat();
    return heads.map((head, i) => {
      if (head === undefined) this.#onError(foreign(`the head of ${channels[i]?.channel}`));
      return head ?? formatPosition(0, randomTag());
    });
  }

  async #askHeads(channels: readonly ChannelHistory[]): Promise<(Position | undefined)[]> {
    const keys = channels.flatMap(({ channel }) => [this.#keys.head(channel), this.#keys.log(channel)]);
    const args = channels.flatMap(({ history }) => [randomIdTag(), this.#headTtl(history)]);
    const reply = await this.#commands.run(HEADS, keys, args, { isRepeatable: true });
    return channels.map((_, i) => (Array.isArray(reply) ? positionOf(reply[i]) : undefined));
  }

  #headTtl({ ttlMs }: History): string {
    return String(Math.ceil(Math.max(ttlMs, this.#headTtlMs)));
  }

  #refuse(what: string): never {
    const error = foreign(what);
    this.#onError(error);
    throw error;
  }
}
