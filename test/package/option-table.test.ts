import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { entries } from "../../entries.mjs";
import { channels } from "../../src/channels/index.ts";
import { cbor } from "../../src/codec/cbor.ts";
import { compressed } from "../../src/codec/compressed.ts";
import { msgpack } from "../../src/codec/msgpack.ts";
import { redisEngine } from "../../src/engines/redis.ts";
import { type Hub, type HubOptions, hub, memoryEngine } from "../../src/hub/index.ts";
import { Conn, ConnError, exponential, json } from "../../src/index.ts";
import { resume } from "../../src/resume/client/index.ts";
import { rpc } from "../../src/rpc/index.ts";
import { handler, refuse } from "../../src/server/index.ts";
import { store } from "../../src/store/index.ts";
import { fakeServer } from "../../src/testing/fake/index.ts";
import { faultProxy } from "../../src/testing/index.ts";
import { trace } from "../../src/trace/index.ts";
import { ReconnectingWebSocket, webSocket } from "../../src/websocket/index.ts";

// Each option of each public interface, with values that it can't mean. An option that is added to an interface and
// not to this table fails the first test. One without a rule in src/ fails the others.

/** Values that an option refuses, by the name of the option. */
type Table = Readonly<Record<string, readonly unknown[]>>;

interface Group {
  /** Gives `options` to the public function that takes them. */
  call(options: object): unknown;
  readonly table: Table;
  /** Whether the options have no defaults. */
  readonly isRequired?: boolean;
}

const NO_NUMBER = ["5", -1, Number.NaN, null];
const NO_COUNT = [...NO_NUMBER, 0];
const NO_FUNCTION = [5, "x", {}, null];
const NO_FLAG = ["yes", 1, 0, null];
const NO_OBJECT = [5, "x", true];
const NO_ID = [5, "", "a\n", "x".repeat(129), null];
const NO_SIGNAL = [5, "x", {}, new AbortController()];

const OUTBOX: Table = {
  maxBytes: NO_NUMBER,
  maxMessages: NO_NUMBER,
  overflow: ["close", 5, ""],
  highWaterMark: NO_NUMBER,
};
const INBOX: Table = {
  highWaterMark: NO_NUMBER,
  maxBytes: NO_NUMBER,
  maxSetupBytes: NO_NUMBER,
  overflow: ["reject", 5, ""],
};
const SEND: Table = {
  signal: NO_SIGNAL,
  ttlMs: NO_COUNT,
  key: [5, {}, null],
  volatile: NO_FLAG,
  confirm: NO_FLAG,
  resend: NO_FLAG,
  onOutcome: NO_FUNCTION,
};
/** The part of a Conn's options that a server takes too. */
const BOTH_ENDS: Table = {
  codec: [5, {}, json, { marshal: String }],
  maxPayloadBytes: NO_NUMBER,
  maxSendBytes: NO_NUMBER,
  outbox: [...NO_OBJECT, false],
  inbox: NO_OBJECT,
  heartbeat: NO_OBJECT,
  closeTimeoutMs: NO_NUMBER,
  setup: NO_FUNCTION,
};
const CONN: Table = {
  ...BOTH_ENDS,
  protocols: [5, "a b", ["a", "a"], {}],
  headers: [5, "x", { "bad name": "x" }, { x: "a\nb" }],
  origin: [5, {}],
  clientOptions: [5, "x", { maxPayload: 5 }],
  backoff: NO_FUNCTION,
  shouldRetry: NO_FUNCTION,
  connectTimeoutMs: NO_NUMBER,
  stableAfterMs: NO_NUMBER,
  maxRetries: NO_NUMBER,
  giveUpAfterMs: NO_NUMBER,
  holdAfterRefusalMs: NO_NUMBER,
  lifecycle: [true, 5, {}, { subscribe: () => () => {} }],
  resume: [true, {}, 5],
  signal: NO_SIGNAL,
  autoConnect: NO_FLAG,
  WebSocket: [5, "x", {}],
};
const { codec: _codec, protocols: _protocols, autoConnect: _autoConnect, ...SOCKET } = CONN;
const DECODING: Table = { maxElements: NO_COUNT, maxDepth: NO_COUNT };

const idle = (options: object = {}) => new Conn("ws://x.test", { ...options, autoConnect: false });
const conn = idle();
const serve = () => {};
const makeHub = (options: object): Hub =>
  hub({ channels: { a: {} }, authorize: () => true, ...options } as unknown as HubOptions);
const HISTORY = { size: 1, ttlMs: 1 };

const GROUPS: Readonly<Record<string, Group>> = {
  ConnOptions: { call: (options) => new Conn("ws://x.test", { autoConnect: false, ...options }), table: CONN },
  OutboxBounds: { call: (outbox) => idle({ outbox }), table: OUTBOX },
  InboxBounds: { call: (inbox) => idle({ inbox }), table: INBOX },
  HeartbeatOptions: {
    call: (heartbeat) => idle({ heartbeat: { ping: () => "ping", isPong: () => true, ...heartbeat } }),
    table: { intervalMs: NO_COUNT, timeoutMs: NO_COUNT, ping: NO_FUNCTION, isPong: NO_FUNCTION },
  },
  SendOptions: { call: (options) => conn.send("x", options), table: SEND },
  WriteOptions: { call: (options) => conn.write("x", options), table: { ...SEND, as: ["utf8", 5, null] } },
  ReceiveOptions: { call: (options) => conn.receive(options), table: { signal: NO_SIGNAL } },
  ListenOptions: {
    call: (options) => conn.on("open", () => {}, options),
    table: { signal: NO_SIGNAL, once: NO_FLAG },
  },
  JsonOptions: { call: json, table: { replacer: NO_FUNCTION, reviver: NO_FUNCTION, maxElements: NO_COUNT } },
  ExponentialOptions: {
    call: exponential,
    table: { firstMs: NO_COUNT, maxMs: NO_COUNT, factor: [...NO_COUNT, 0.5], random: NO_FUNCTION },
  },
  ResumeOptions: {
    call: (options) => idle({ resume: resume(options) }),
    table: { windowBytes: NO_COUNT, ack: ["taken", 5] },
  },
  RpcOptions: {
    call: (options) => rpc(conn as never, options),
    table: {
      handlers: [5, { method: 5 }, { "$/method": () => {} }],
      schemas: [5, { method: {} }],
      others: NO_FUNCTION,
      onError: NO_FUNCTION,
      timeoutMs: NO_COUNT,
      maxCalls: NO_COUNT,
      maxHandlers: NO_COUNT,
      maxWaiting: NO_NUMBER,
      maxWaitingBytes: NO_NUMBER,
    },
  },
  CallOptions: {
    call: (options) => rpc(idle() as never).call("method", undefined, options),
    table: { timeoutMs: [...NO_COUNT, 2 ** 31], signal: NO_SIGNAL, retry: NO_FLAG },
  },
  StoreOptions: {
    call: (options) => store(idle(), 0, (now) => now, options),
    table: { every: [0, -1, "second", Number.NaN], signal: NO_SIGNAL },
  },
  TraceOptions: { call: (options) => trace(idle(), options), table: { last: NO_COUNT, payloads: NO_FLAG } },
  WebSocketOptions: {
    call: webSocket,
    table: { ...SOCKET, drops: ["retry", 5, null], queue: ["all", 5, null] },
  },
  ReconnectingWebSocketOptions: {
    call: (options) => new ReconnectingWebSocket("ws://x.test", [], { autoConnect: false, ...options }),
    table: { ...SOCKET, autoConnect: NO_FLAG, queue: ["all", 5, null] },
  },
  HandlerOptions: {
    call: (options) => handler(serve, options),
    table: {
      ...BOTH_ENDS,
      protocols: [5, "a b", ["a", "a"]],
      origins: ["https://x.test", 5, ["*"], [/x/]],
      authenticate: NO_FUNCTION,
      authenticateTimeoutMs: NO_COUNT,
      onError: NO_FUNCTION,
      onRefused: NO_FUNCTION,
      resume: NO_OBJECT,
      admission: NO_OBJECT,
      serverOptions: [5, "x", { maxPayload: 5 }],
    },
  },
  SessionOptions: {
    call: (options) => handler(serve, { resume: options }),
    table: {
      ttlMs: NO_COUNT,
      windowBytes: NO_COUNT,
      ack: ["taken", 5],
      maxSessions: NO_NUMBER,
      maxSessionsPerPrincipal: NO_NUMBER,
      maxBytes: NO_NUMBER,
      principal: NO_FUNCTION,
    },
  },
  AdmissionOptions: {
    call: (options) => handler(serve, { admission: { perSecond: 1, burst: 1, ...options } }),
    isRequired: true,
    table: { perSecond: [...NO_COUNT, Number.POSITIVE_INFINITY], burst: [...NO_COUNT, Number.POSITIVE_INFINITY] },
  },
  RefusalOptions: {
    call: (options) => refuse(401, options),
    table: { code: [5, "4000", 999, 5000], reason: [5, "x".repeat(124)], headers: [5, "x", { x: "a\r\nb" }] },
  },
  ShutdownOptions: {
    call: (options) => handler(serve).shutdown(options),
    table: { timeoutMs: NO_NUMBER, spreadMs: NO_NUMBER },
  },
  BroadcastOptions: { call: broadcast, table: { ...SEND, except: [5, true] } },
  FaultProxyOptions: { call: (options) => faultProxy(1, options), table: { host: [5, {}], seed: ["5", Number.NaN] } },
  FakeServerOptions: {
    call: fakeServer,
    table: { codec: [5, {}, { marshal: String }], protocols: [5, "a", ["a b"]], resume: NO_FLAG },
  },
  CompressedOptions: {
    call: (options) => compressed(json(), options),
    table: { thresholdBytes: NO_NUMBER, maxBytes: NO_COUNT },
  },
  MsgpackOptions: { call: msgpack, table: { bigints: NO_FLAG, ...DECODING } },
  CborOptions: { call: cbor, table: DECODING },
  ChannelsOptions: {
    call: (options) => channels(idle() as never, options),
    table: { maxPublishes: NO_COUNT, publishTimeoutMs: NO_COUNT, backoff: NO_FUNCTION },
  },
  SubscribeOptions: {
    call: (options) => channels(idle() as never).subscribe("a", options),
    table: {
      from: [5, "", null, { last: -1 }, { last: 0.5 }, {}],
      load: NO_FUNCTION,
      presence: NO_FLAG,
      maxQueued: NO_COUNT,
    },
  },
  PublishOptions: {
    call: (options) => channels(idle() as never).publish("a", 1, options),
    table: { id: NO_ID, signal: NO_SIGNAL },
  },
  HubOptions: {
    call: makeHub,
    isRequired: true,
    table: {
      channels: [...NO_OBJECT, { "a*b": {} }, { "": {} }],
      authorize: NO_FUNCTION,
      engine: [...NO_OBJECT, {}],
      codec: [5, {}, json],
      markBytes: NO_NUMBER,
      maxChannels: NO_COUNT,
      maxPublishes: NO_COUNT,
      maxRecentMessages: NO_COUNT,
      maxRecentBytes: NO_NUMBER,
      authorizeTimeoutMs: NO_COUNT,
      graceMs: NO_NUMBER,
      maxMemberChanges: NO_COUNT,
      maxRevocations: NO_COUNT,
      revocationTtlMs: NO_COUNT,
      checkMs: NO_COUNT,
      onError: NO_FUNCTION,
    },
  },
  ChannelOptions: {
    call: (options) => makeHub({ channels: { a: options } }),
    table: {
      history: [
        ...NO_OBJECT,
        {},
        { size: 1 },
        { ...HISTORY, size: 0 },
        { ...HISTORY, size: 0.5 },
        { ...HISTORY, ttlMs: 0 },
      ],
      deliver: ["some", 5, null, "newest"],
      presence: NO_FLAG,
    },
  },
  ServeOptions: {
    call: (options) => makeHub({}).serve(conn as never, options),
    table: { id: [5, "", null], info: [1n, () => {}, "x".repeat(1_023)] },
  },
  "PublishOptions of hub": { call: (options) => makeHub({}).publish("a", 1, options), table: { id: NO_ID } },
  MemoryEngineOptions: {
    call: memoryEngine,
    table: { maxBytes: NO_COUNT, maxLogs: NO_COUNT, headTtlMs: NO_COUNT, maxIds: NO_COUNT, maxMembers: NO_COUNT },
  },
  RedisEngineOptions: {
    call: (options) => redisEngine({ client: { duplicate: () => undefined } as never, ...options }),
    isRequired: true,
    table: {
      client: [undefined, null, {}, "redis://127.0.0.1", { duplicate: 1 }],
      prefix: ["", "a b", "{a}", "a*", 5, "x".repeat(65)],
      timeoutMs: NO_COUNT,
      headTtlMs: NO_COUNT,
      leaseMs: [...NO_COUNT, 99],
      probeMs: [...NO_COUNT, 9],
      maxPending: NO_COUNT,
      onError: NO_FUNCTION,
    },
  },
};

/** Groups that this table can't hold, and the place of their rules. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  SocketListenerOptions: "WHATWG DOM, section 2.7: addEventListener() throws for no option.",
  UseConnOptions: "A hook needs a renderer: test/unit/react/bad-input.test.ts.",
  UseChannelOptions: "A hook needs a renderer: test/unit/react/use-channel.test.ts.",
};

/** Resolves with the error of a broadcast, which never throws and reports it to `onError`. */
async function broadcast(options: object): Promise<void> {
  let failure: unknown;
  const served = handler(serve, {
    onError(error) {
      failure = error;
    },
  });
  // The option is looked at when there is a Conn to send to.
  (served.conns as Set<unknown>).add(idle());
  await served.broadcast("x", options);
  if (failure) throw failure;
}

/** The names of the options of each public interface of options. */
function publicOptions(): Map<string, readonly string[]> {
  const root = join(import.meta.dirname, "../..");
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(
    entries.map(({ source }) => join(root, source)),
    options,
  );
  const checker = program.getTypeChecker();
  const found = new Map<string, readonly string[]>();
  const seen = new Map<string, ts.Symbol>();
  for (const { name: entry, source } of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(join(root, source)) as ts.SourceFile);
    for (const exported of checker.getExportsOfModule(module as ts.Symbol)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (!/(?:Options|Bounds)$/.test(symbol.name) || !(symbol.flags & ts.SymbolFlags.Interface)) continue;
      const properties = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
      // Two entries may have a name for options of their own.
      const isAnother = (seen.get(symbol.name) ?? symbol) !== symbol;
      if (!isAnother) seen.set(symbol.name, symbol);
      found.set(isAnother ? `${symbol.name} of ${entry}` : symbol.name, properties.map(({ name }) => name).sort());
    }
  }
  return found;
}

test("every option of every public interface has a row in the table", () => {
  const found = publicOptions();
  for (const name of Object.keys(ELSEWHERE)) found.delete(name);
  const rows = Object.entries(GROUPS).map(([name, { table }]) => [name, Object.keys(table).sort()] as const);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(rows));
}, 60_000);

describe.each(Object.entries(GROUPS))("%s", (_group, { call, table, isRequired = false }) => {
  const rows = Object.entries(table).flatMap(([name, values]) => values.map((value) => [name, value] as const));

  test.each(rows)("%s can't be %o: the error names it", async (name, value) => {
    const error = await failure(() => call({ [name]: value }));
    expect(error).toBeInstanceOf(ConnError);
    expect(error).toMatchObject({ code: "bad-option", message: expect.stringContaining(name) });
  });

  test("refuses a name that is no option", async () => {
    const error = await failure(() => call({ nonsense: 1 }));
    expect(error).toMatchObject({ code: "bad-option", message: expect.stringMatching(/nonsense/) });
  });

  if (isRequired) return;
  test("takes undefined for every option", async () => {
    const options = Object.fromEntries(Object.keys(table).map((name) => [name, undefined]));
    const error = await failure(() => Promise.race([call(options), undefined]));
    expect(error === undefined || error.code !== "bad-option").toBe(true);
  });
});

async function failure(act: () => unknown): Promise<ConnError | undefined> {
  try {
    const result: unknown = act();
    if (result instanceof Promise) await Promise.race([result, Promise.resolve()]);
    await result;
    return undefined;
  } catch (error) {
    return error as ConnError;
  }
}
