import { noop } from "../base/deferred.ts";
import { failOption } from "../base/errors.ts";
import {
  flagRule,
  functionRule,
  isFunction,
  isObject,
  numberRule,
  type OptionRule,
  type OptionRules,
  rule,
  signalRule,
  takeOptions,
  timeRule,
  wordRule,
} from "../base/option-rules.ts";
import type { Payload } from "../base/payload.ts";
import { type CodecLike, message } from "../codec/codec.ts";
import type { WebSocketConstructor } from "../socket/socket.ts";
import { parseProtocols } from "./arguments.ts";
import { type Backoff, exponential } from "./backoff.ts";
import type { DisconnectInfo, ProviderContext } from "./disconnect-info.ts";
import type { HeartbeatOptions, ResolvedHeartbeatOptions } from "./heartbeat.ts";
import type { InboxBounds } from "./inbox.ts";
import { type OutboxBounds, QUEUED_COST_BYTES } from "./outbox.ts";
import { type LifecycleSource, pageLifecycle } from "./page-lifecycle.ts";
import type { Resume } from "./session.ts";

/** Where to connect: `ws:`, `wss:`, `http:` or `https:`, and in a browser relative to the page. */
export type Url = string | URL;

/** A value, or a function that returns it or a promise of it on every attempt. A function that throws fails the attempt. */
export type Provider<T> = T | ((attempt: ProviderContext) => T | Promise<T>);

/** A value that has been checked, or a function whose answers are checked when they come. */
export type ProviderOr<T, Given> = T | ((attempt: ProviderContext) => Given | Promise<Given>);

/** The connection as `setup` sees it, before any other code may use it. */
export interface SetupContext<In, Out> {
  /** Sends ahead of everything queued. Throws `marshal` and `too-large` as `conn.send()`. */
  send(value: Out): void;
  /** Resolves with the next message. Messages that are left when setup is done go to the inbox, in order. */
  receive(): Promise<In>;
  /** 0 for the first dial and after a stable connection, else the number of the retry. */
  readonly attempt: number;
  /** Aborted when the attempt is abandoned, or its connection ends. */
  readonly signal: AbortSignal;
}

/** Options of a Conn. The constructor checks each once: `bad-option` names the option, its value and its range. */
export interface ConnOptions<In = Payload, Out = In> {
  /**
   * How values become payloads. Default {@link message}: strings and bytes as they are.
   *
   * @example
   * new Conn("wss://example.com/chat", { codec: json<Message, Command>() });
   */
  readonly codec?: CodecLike<In, Out> | undefined;
  /**
   * Subprotocols to offer, each a token and each once (RFC 6455, sections 1.9 and 4.1). If the server selects none
   * of them, the attempt fails. Default none.
   */
  readonly protocols?: Provider<string | readonly string[]> | undefined;
  /** Node only. Headers of the upgrade request. Default none. */
  readonly headers?: Provider<Readonly<Record<string, string>>> | undefined;
  /** Node only. The `Origin` header. Default the URL's own origin. */
  readonly origin?: string | undefined;
  /**
   * Node only. Passed to the constructor of `ws`, such as `{ ca }`. Options that a Conn sets itself are refused. Default
   * `{ perMessageDeflate: false }`.
   */
  readonly clientOptions?: object | undefined;
  /**
   * Bytes of the longest message accepted, after inflating, text as UTF-8. A longer one ends the Conn with 1009: in Node
   * before it is buffered whole, in a browser after delivery. At least 0, `Infinity` for no limit but the platform's;
   * default 32 MiB.
   */
  readonly maxPayloadBytes?: number | undefined;
  /** Bytes of the longest message sent; a longer one throws `too-large`. At least 0; default no limit. */
  readonly maxSendBytes?: number | undefined;
  /** Bounds of the messages that wait to be written: see {@link OutboxBounds}. */
  readonly outbox?: Partial<OutboxBounds> | undefined;
  /**
   * Bounds of the messages that wait to be received: see {@link InboxBounds}. `false` discards messages that no call waits
   * for, and counts them in `stats`.
   */
  readonly inbox?: Partial<InboxBounds> | false | undefined;
  /**
   * How a dead connection is detected. In a browser this needs `ping` and `isPong`, or `resume` with a server that speaks
   * resume. `false` detects none.
   */
  readonly heartbeat?: HeartbeatOptions | false | undefined;
  /**
   * Returns the wait before each retry, in milliseconds. A function that throws or returns no number gives the longest
   * wait. Default {@link exponential}.
   */
  readonly backoff?: Backoff | undefined;
  /**
   * Returns whether an ending is followed by another attempt, in place of `info.willRetry`; `backoff` gives the wait. A
   * function that throws or returns no boolean changes nothing. Default `info.willRetry`.
   */
  readonly shouldRetry?: ((info: DisconnectInfo) => boolean) | undefined;
  /** Milliseconds for a whole attempt: providers, handshake and setup. At least 0; default 10 s. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds for `close()`: flushing and the closing handshake. At least 0; default 2 s. */
  readonly closeTimeoutMs?: number | undefined;
  /** Milliseconds a connection must last to count as stable and reset the backoff. At least 0; default 5 s. */
  readonly stableAfterMs?: number | undefined;
  /** Retries in a row before the Conn gives up. At least 0; default no limit. */
  readonly maxRetries?: number | undefined;
  /** Milliseconds without a connection before the Conn gives up, counted anew when a cached page is restored. At least 0; default no limit. */
  readonly giveUpAfterMs?: number | undefined;
  /**
   * Milliseconds for which messages wait on the first connection after a refusal for want of authentication (401, 403, 3000,
   * 3003, 4401, 4403), so that a second refusal does not lose them. The server's first message ends the wait. At least 0;
   * default 1 s.
   */
  readonly holdAfterRefusalMs?: number | undefined;
  /**
   * Called on each new connection before anything queued is sent, for authentication and resubscription; not on a
   * connection that resumes a session. An error fails the attempt; `fatal(…)` ends the Conn. Default none.
   *
   * @example
   * setup: async ({ send, receive }) => {
   *   send({ type: "login", token });
   *   if ((await receive()).type === "rejected") throw fatal("The server knows no such token.");
   * }
   */
  readonly setup?: ((context: SetupContext<In, Out>) => void | Promise<void>) | undefined;
  /**
   * The source of signals about the network, about a page that is cached or frozen, and about sleep. `false` for none.
   * Default the page's own signals, where there is a page.
   */
  readonly lifecycle?: LifecycleSource | false | undefined;
  /** Delivers messages exactly once across drops: `resume()` from `tautline/resume`. Default none: messages in flight may be lost. */
  readonly resume?: Resume | undefined;
  /** Ends the Conn at once when aborted. Default none. */
  readonly signal?: AbortSignal | undefined;
  /** Whether to dial a microtask after construction, rather than on `connect()` or `ready()`. Default true. */
  readonly autoConnect?: boolean | undefined;
  /** The WebSocket class to use. A class that is used in the way of `ws` must be an EventEmitter. Default `ws` in Node, else the platform's. */
  readonly WebSocket?: WebSocketConstructor | undefined;
}

/** Options with a codec, which a Conn needs unless strings and bytes go both ways. */
export type ConnOptionsWithCodec<In, Out> = ConnOptions<In, Out> & {
  /** How values become payloads. */
  readonly codec: CodecLike<In, Out>;
};

/** The options, checked, with a value for each that has a default. Frozen. */
export interface ResolvedOptions<In, Out> {
  readonly codec: CodecLike<In, Out>;
  readonly protocols: ProviderOr<readonly string[], string | readonly string[]>;
  readonly headers: Provider<Readonly<Record<string, string>>> | undefined;
  readonly origin: string | undefined;
  readonly clientOptions: object | undefined;
  readonly maxPayloadBytes: number;
  readonly maxSendBytes: number;
  readonly outbox: OutboxBounds;
  readonly inbox: InboxBounds | false;
  readonly heartbeat: ResolvedHeartbeatOptions | false;
  readonly backoff: Backoff;
  readonly shouldRetry: ((info: DisconnectInfo) => boolean) | undefined;
  readonly connectTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly stableAfterMs: number;
  readonly maxRetries: number;
  readonly giveUpAfterMs: number;
  readonly holdAfterRefusalMs: number;
  readonly setup: ((context: SetupContext<In, Out>) => void | Promise<void>) | undefined;
  readonly lifecycle: LifecycleSource;
  readonly resume: Resume | undefined;
  readonly signal: AbortSignal | undefined;
  readonly autoConnect: boolean;
  readonly WebSocket: WebSocketConstructor | undefined;
}

const MIB = 2 ** 20;
const { POSITIVE_INFINITY: NO_LIMIT } = Number;
const MIN_QUEUED_MESSAGES = 1_024;

const OUTBOX_RULES: OptionRules<OutboxBounds> = {
  maxBytes: numberRule(0, 16 * MIB),
  maxMessages: numberRule(0, Math.floor((16 * MIB) / QUEUED_COST_BYTES)),
  overflow: wordRule("reject", "drop-oldest"),
  highWaterMark: numberRule(0, MIB),
};
const INBOX_RULES: OptionRules<InboxBounds> = {
  highWaterMark: numberRule(0, MIB),
  maxBytes: numberRule(0, 64 * MIB),
  maxSetupBytes: numberRule(0, MIB),
  overflow: wordRule("close", "drop-oldest", "drop-newest"),
};
const HEARTBEAT_RULES: OptionRules<ResolvedHeartbeatOptions> = {
  // From 1 on: an interval of zero would send pings without a pause.
  intervalMs: timeRule(1, 15_000),
  timeoutMs: timeRule(1, 10_000),
  ping: functionRule(),
  isPong: functionRule(),
};
/** Where no page reports anything: the network counts as present. */
const NO_LIFECYCLE: LifecycleSource = { isOnline: () => true, subscribe: () => noop };

const group = <T extends object>(name: string, rules: OptionRules<T>, given: object): Readonly<T> =>
  takeOptions(`${name}.`, rules, given, failOption);
const OUTBOX = /* @__PURE__ */ group("outbox", OUTBOX_RULES, {});
export const INBOX = /* @__PURE__ */ group("inbox", INBOX_RULES, {});
const HEARTBEAT = /* @__PURE__ */ group("heartbeat", HEARTBEAT_RULES, {});

/** Whether `value` is what `resume()` returned, rather than `resume` itself, whose parameter has a default. */
const isSessionFactory = (value: unknown): boolean => typeof value === "function" && value.length > 0;

const hasMethods = (value: unknown, ...names: readonly string[]): boolean =>
  isObject(value) && names.every((name) => isFunction((value as Readonly<Record<string, unknown>>)[name]));

/** Accepts an object in the form that `take` gives it, and false where `canBeFalse`. */
function groupRule<T>(canBeFalse: boolean, standard: T, take: (given: never) => T): OptionRule {
  return [
    canBeFalse ? "an object or false" : "an object",
    (value) => (canBeFalse && value === false ? value : isObject(value) ? take(value as never) : undefined),
    standard,
  ];
}

const RULES: OptionRules<ResolvedOptions<never, never>> = {
  codec: rule(
    "an object with marshal() and unmarshal(), such as json()",
    (value) => hasMethods(value, "marshal", "unmarshal"),
    message,
  ),
  protocols: ["", (value) => (isFunction(value) ? value : parseProtocols(value)), []],
  headers: rule("an object or a function", (value) => isObject(value) || isFunction(value)),
  origin: rule("a string", (value) => typeof value === "string"),
  clientOptions: rule("an object", isObject),
  maxPayloadBytes: numberRule(0, 32 * MIB),
  maxSendBytes: numberRule(0, NO_LIMIT),
  outbox: groupRule(false, OUTBOX, takeOutbox),
  inbox: groupRule(true, INBOX, (given) => group("inbox", INBOX_RULES, given)),
  heartbeat: groupRule(true, HEARTBEAT, takeHeartbeat),
  backoff: functionRule(/* @__PURE__ */ exponential()),
  shouldRetry: functionRule(),
  connectTimeoutMs: timeRule(0, 10_000),
  closeTimeoutMs: timeRule(0, 2_000),
  stableAfterMs: numberRule(0, 5_000),
  maxRetries: numberRule(0, NO_LIMIT),
  giveUpAfterMs: numberRule(0, NO_LIMIT),
  setup: functionRule(),
  holdAfterRefusalMs: timeRule(0, 1_000),
  lifecycle: [
    "an object with subscribe() and isOnline(), or false",
    (value) => (value === false ? NO_LIFECYCLE : hasMethods(value, "subscribe", "isOnline") ? value : undefined),
    pageLifecycle,
  ],
  resume: rule("resume() from tautline/resume", isSessionFactory),
  signal: signalRule(),
  autoConnect: flagRule(true),
  WebSocket: rule("a class", isFunction),
};

/** Checks what the user gave, and fills in the defaults. @throws {@link ConnError} `bad-option` */
export function resolveOptions<In, Out>(options: ConnOptions<In, Out>): ResolvedOptions<In, Out> {
  return takeOptions("", RULES as OptionRules<ResolvedOptions<In, Out>>, options, failOption);
}

function takeOutbox(given: Partial<OutboxBounds>): OutboxBounds {
  const bounds = group("outbox", OUTBOX_RULES, given);
  if (given.maxMessages !== undefined) return bounds;
  return { ...bounds, maxMessages: Math.max(Math.floor(bounds.maxBytes / QUEUED_COST_BYTES), MIN_QUEUED_MESSAGES) };
}

function takeHeartbeat(given: HeartbeatOptions): ResolvedHeartbeatOptions {
  if (!given.ping !== !given.isPong) throw failOption("heartbeat needs ping and isPong, or neither.");
  return group("heartbeat", HEARTBEAT_RULES, given);
}
