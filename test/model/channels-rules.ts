import type { Engine, LogEntry, Position } from "../../src/server/engine.ts";
import type { FakeEngine, FakeStore } from "../support/fake-engine.ts";
import type { WireFilter, WireFrame } from "./channels-connection.ts";

/** A rule that is taken out, to show that the invariants need it. */
export type RemovedRule =
  // Rules of the client.
  | "the client subscribes again on each connection"
  | "the client returns with its position"
  | "the client ignores frames until the answer"
  | "a message that does not follow makes the client subscribe again"
  | "a repeated publish has the same id"
  | "an unanswered publish is repeated"
  // Rules of the hub.
  | "a client that takes no more is behind"
  | "who is behind is served from the log"
  // Rules of the engine.
  | "an id is appended once"
  | "a hole in the log is a gap"
  | "an entry names its predecessor"
  | "a position has a random tag"
  | "heads are compared"
  | undefined;

/** Creates the filter of one connection. */
export function createFilter(removed: RemovedRule): WireFilter {
  const filter = {
    up: (frame: WireFrame): WireFrame | undefined => frame,
    down: (frame: WireFrame): WireFrame | undefined => frame,
    echo: (_frame: WireFrame): WireFrame | undefined => undefined,
    isFullIgnored: removed === "a client that takes no more is behind",
  };
  const subscribes = new Set<unknown>();
  if (removed === "the client returns with its position") {
    filter.up = (frame) => (frame.method === "$/subscribe" ? withoutPositions(frame) : frame);
  } else if (removed === "the client ignores frames until the answer") {
    filter.echo = ({ method, id }) => {
      if (method !== "$/subscribe") return undefined;
      subscribes.add(id);
      return answer(id, null);
    };
    filter.down = (frame) => (frame.method === undefined && subscribes.has(frame.id) ? undefined : frame);
  } else if (removed === "a message that does not follow makes the client subscribe again") {
    filter.down = createChainMender();
  } else if (removed === "a repeated publish has the same id") {
    filter.up = (frame) =>
      frame.method === "$/publish" ? { ...frame, params: { ...(frame.params as object), id: `${frame.id}` } } : frame;
  } else if (removed === "an unanswered publish is repeated") {
    // The client takes the write for the outcome.
    filter.echo = ({ method, id }) => (method === "$/publish" ? answer(id, { position: "1-lost" }) : undefined);
  }
  return filter;
}

/** Creates the filter of a client that subscribes on its first connection only. */
export function createSilence(): WireFilter {
  const isAsking = ({ method }: WireFrame) => method === "$/subscribe";
  return {
    up: (frame) => (isAsking(frame) ? undefined : frame),
    down: (frame) => frame,
    echo: (frame) => (isAsking(frame) ? answer(frame.id, null) : undefined),
    isFullIgnored: false,
  };
}

/** Takes a rule out between a hub and its engine. */
export function withoutRule(removed: RemovedRule, engine: FakeEngine, store: FakeStore, channel: string): Engine {
  if (removed === "heads are compared") {
    const heads: Engine["heads"] = (channels) =>
      channels.some((each) => each.channel === channel)
        ? Promise.reject(new Error("not asked"))
        : engine.heads(channels);
    return override(engine, { heads });
  }
  if (removed === "an id is appended once") {
    return override(engine, { publish: (name, data, { history }) => engine.publish(name, data, { history }) });
  }
  if (removed === "who is behind is served from the log") {
    return override(engine, {
      read: async (name, from, limit) => {
        const part = await engine.read(name, from, limit);
        return name === channel && part ? { entries: part.entries.slice(-1), head: part.head } : part;
      },
    });
  }
  if (removed === "a hole in the log is a gap") {
    return override(engine, {
      read: async (...args) => (await engine.read(...args)) ?? engine.read(args[0], { last: 1_000 }, args[2]),
    });
  }
  if (removed === "an entry names its predecessor") return withoutPredecessors(engine);
  if (removed === "a position has a random tag") return withoutTags(engine, store);
  return engine;
}

/** A position without its tag. */
export function untagged(position: string | null): string {
  return String(position).replace(/-.*/, "-0");
}

function answer(id: unknown, result: unknown): WireFrame {
  return { jsonrpc: "2.0", id, result } as WireFrame;
}

function withoutPositions(frame: WireFrame): WireFrame {
  const { channels } = frame.params as { readonly channels: object };
  const names = Object.keys(channels).map((name) => [name, {}]);
  return { ...frame, params: { channels: Object.fromEntries(names) } };
}

/** Has each message follow on the one before it. */
function createChainMender(): (frame: WireFrame) => WireFrame {
  let last: unknown;
  return (frame) => {
    const { method, params } = frame as { readonly method?: string; readonly params: readonly unknown[] };
    if (method === "$/attached") last = params[1];
    if (method !== "$/message") return frame;
    const mended = { ...frame, params: [params[0], last, ...params.slice(2)] };
    last = params[2];
    return mended;
  };
}

function withoutPredecessors(engine: FakeEngine): Engine {
  return override(engine, {
    subscribe: async (channel, history, onEntry) => {
      let last: Position | null = null;
      const early: LogEntry[] = [];
      const take = (entry: LogEntry) => {
        onEntry({ ...entry, previous: last });
        last = entry.position;
      };
      const head = await engine.subscribe(channel, history, (entry) => {
        if (last === null) early.push(entry);
        else take(entry);
      });
      last = head;
      queueMicrotask(() => early.splice(0).forEach(take));
      return head;
    },
  });
}

function withoutTags(engine: FakeEngine, store: FakeStore): Engine {
  const strip = (entry: LogEntry): LogEntry => ({
    ...entry,
    position: untagged(entry.position),
    previous: untagged(entry.previous),
  });
  /** The position of this number in the log as it is now. */
  const find = (channel: string, position: string): string => {
    const all = [store.headOf(channel), ...store.entriesOf(channel).map((entry) => (entry as LogEntry).previous)];
    return all.find((each) => each && untagged(each) === position) ?? position;
  };
  return override(engine, {
    publish: async (...args) => {
      const position = await engine.publish(...args);
      return position && untagged(position);
    },
    read: async (channel, from, limit) => {
      const part = await engine.read(channel, "after" in from ? { after: find(channel, from.after) } : from, limit);
      return part && { entries: part.entries.map(strip), head: untagged(part.head) };
    },
    subscribe: async (channel, history, onEntry) =>
      untagged(await engine.subscribe(channel, history, (entry) => onEntry(strip(entry)))),
    heads: async (channels) => (await engine.heads(channels)).map((head) => untagged(head)),
  });
}

/** The engine with some methods replaced. */
function override(engine: FakeEngine, methods: Partial<Engine>): Engine {
  return new Proxy<Engine>(engine, {
    get(target, name) {
      const replaced = methods[name as keyof Engine];
      if (replaced) return replaced;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
