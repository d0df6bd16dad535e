import { badOption, ConnError, failOption } from "../base/errors.ts";
import { describeBadOption, type OptionRules, rule, takeOptions } from "../base/option-rules.ts";
import { exceeds } from "../base/payload.ts";
import { isChannelName, isPublishId } from "../channels/protocol/names.ts";
import type { CloseInfo } from "../core/events.ts";
import { rpc } from "../rpc/index.ts";
import type { Position } from "../server/engine.ts";
import { Client } from "./client.ts";
import type { HubConn, HubPeer } from "./hub-conn.ts";
import { HubNode } from "./hub-node.ts";
import { type HubOptions, resolveHubOptions } from "./hub-options.ts";
import type { Revocation } from "./revocations.ts";

/** The client that a Conn belongs to. */
export interface ServeOptions {
  /**
   * The name of the client for `authorize`, `revoke()`, presence and the ids of its publishes: one that the server has
   * proved, such as `conn.principal`. Several Conns may have the same. Default none: the client is anonymous.
   */
  readonly id?: string | undefined;
  /** The info that other members see of the client: anything that JSON has a form for, of at most 1,024 bytes. Default null. */
  readonly info?: unknown;
}

/** How a message is published. */
export interface PublishOptions {
  /**
   * A name for the message: another publish of the same name within 5 minutes appends nothing. 1 to 128 characters, without
   * control characters. Default none.
   */
  readonly id?: string | undefined;
}

/** Channels on a server. Its functions may be passed on alone. */
export interface Hub {
  /**
   * Serves channels to a client, and resolves when its Conn has ended, so that a handler can return it. Never rejects.
   *
   * @example handler((conn) => topics.serve(conn, { id: conn.principal }), { codec: json(), authenticate })
   * @throws ConnError `bad-option` for an id or info that can't be; `misuse` for a Conn that is served already
   */
  readonly serve: (client: HubConn | HubPeer, options?: ServeOptions) => Promise<CloseInfo>;
  /**
   * Publishes to all subscribers on all nodes, and resolves with the position, or null without history. Rejects with
   * `unavailable` when the engine can't be reached: then the message may have been appended, and a repetition with the
   * same `id` is safe.
   *
   * @throws ConnError `bad-option` for a channel that no pattern fits and an id that can't be, `marshal` for data that the
   * codec refuses
   */
  readonly publish: (channel: string, data: unknown, options?: PublishOptions) => Promise<Position | null>;
  /**
   * Ends the rights of a client to a channel, or to all: its subscriptions end with `revoked`, on this node at once, on
   * the others within a second, and after an outage before anything else is delivered. Take the right away in what
   * `authorize` asks first. Rejects with `unavailable` when other nodes can't be reached.
   *
   * @throws ConnError `bad-option`
   */
  readonly revoke: (revocation: Revocation) => Promise<void>;
  /**
   * Ends subscriptions, timers and the engine. The Conns stay open. On an engine with other nodes, members of this one
   * leave `graceMs` later, unless they are members elsewhere by then.
   */
  readonly close: () => Promise<void>;
}

const MAX_INFO_BYTES = 1_024;
const isName = (value: unknown) => typeof value === "string" && value !== "";

const SERVE: OptionRules<ServeOptions> = {
  id: rule("a string, not empty", isName),
  info: rule(`a value of at most ${MAX_INFO_BYTES} bytes of JSON`, (value) => toInfo(value) !== undefined, null),
};
const PUBLISH: OptionRules<PublishOptions> = {
  id: rule("1 to 128 characters without control characters", isPublishId),
};
const REVOCATION: OptionRules<Revocation> = {
  client: rule("the id of a client", isName),
  channel: rule("the name of a channel", isChannelName),
};

/**
 * Creates a hub, which serves channels to the Conns of a server: topics with history, recovery and presence.
 *
 * @example
 * ```ts
 * const topics = hub({
 *   channels: { "chat:*": { history: { size: 500, ttlMs: 600_000 } } },
 *   authorize: ({ client, channel }) => mayRead(client, channel),
 * });
 * handle(server, "/live", handler((conn) => topics.serve(conn, { id: conn.principal }), { codec: json() }));
 * ```
 * @throws ConnError `bad-option`
 */
export function hub(options: HubOptions): Hub {
  const node = new HubNode(resolveHubOptions(options));
  return {
    serve(given, options = {}) {
      const { id, info } = takeOptions<ServeOptions>("", SERVE, options, failOption);
      const peer = "extend" in given ? given : rpc(given);
      const conn = asHubConn(peer.conn);
      const client = new Client(conn, node, id, id ?? crypto.randomUUID(), toInfo(info) as string);
      const stop = node.add(client);
      const unextend = extend(peer, client, stop);
      const off = conn.on("state", ({ from, to }) => {
        if (from === "open" && to !== "open") client.disconnect();
      });
      return conn.closed.then((end) => {
        off();
        unextend();
        stop();
        return end;
      });
    },
    publish(channel, data, options = {}) {
      const { id } = takeOptions<PublishOptions>("", PUBLISH, options, failOption);
      const channelRule = node.rules.find(channel);
      if (!channelRule) throw badOption("channel", "a name that a pattern of channels fits", channel);
      return node.publish(channel, channelRule, data, id === undefined ? undefined : [id]);
    },
    revoke(revocation) {
      const taken = takeOptions<Revocation>("", REVOCATION, revocation, failOption);
      if (taken.client === undefined) throw badOption("client", "the id of a client", taken.client);
      return node.revoke(taken);
    },
    close: () => node.close(),
  };
}

/** Adds the methods of the hub. Leaves nothing behind if the peer has them already. */
function extend(peer: HubPeer, client: Client, stop: () => void): () => void {
  try {
    return peer.extend(client.methods);
  } catch (error) {
    stop();
    throw error;
  }
}

function asHubConn(conn: HubPeer["conn"]): HubConn {
  const { tryWrite, codec } = conn as Partial<HubConn>;
  if (typeof tryWrite === "function" && typeof codec?.marshal === "function") return conn as HubConn;
  const range = "a Conn of handler(), or the peer that rpc() made of one";
  throw new ConnError("misuse", describeBadOption("The client of serve()", range, conn));
}

/** Returns the info in JSON, or undefined where there is no such text, or too long a one. */
function toInfo(info: unknown): string | undefined {
  try {
    const text = JSON.stringify(info);
    return text === undefined || exceeds(text, MAX_INFO_BYTES) ? undefined : text;
  } catch {
    // A cycle, or a value of BigInt.
    return undefined;
  }
}
