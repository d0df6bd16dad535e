import { ConnError } from "../base/errors.ts";
import type { Payload, SendOptions } from "../base/payload.ts";
import { type CodecLike, message } from "../codec/codec.ts";
import type { WebSocketConstructor } from "../socket/socket.ts";
import { type Backoff, exponential } from "./backoff.ts";
import type { DisconnectInfo, ProviderContext } from "./disconnect-info.ts";
import type { HeartbeatOptions, HeartbeatTimes } from "./heartbeat.ts";
import type { InboxBounds } from "./inbox.ts";
import type { OutboxBounds } from "./outbox.ts";
import { type LifecycleSource, pageLifecycle } from "./page-lifecycle.ts";
import type { Resume } from "./session.ts";

/** Where to connect: `ws:`, `wss:`, `http:` or `https:`, and in a browser relative to the page. */
export type Url = string | URL;

/** A value, or a function that is awaited for one on every attempt. One that throws fails the attempt. */
export type Provider<T> = T | ((attempt: ProviderContext) => T | Promise<T>);

/** A value that has been checked, or a function whose answers are checked when they come. */
export type ProviderOr<T, Given> = T | ((attempt: ProviderContext) => Given | Promise<Given>);

/** What `setup` can do with a connection before anybody else can. */
export interface SetupContext<In, Out> {
  /** Sends ahead of everything queued. Throws `marshal` and `too-large` as `conn.send()`. */
  send(value: Out): void;
  /** The next message. What is left when setup is done goes to the inbox, in order. */
  receive(): Promise<In>;
  /** 0 for the first dial and after a stable connection, else the number of the retry. */
  readonly attempt: number;
  /** Aborted when the attempt is given up, or the connection that came of it ends. */
  readonly signal: AbortSignal;
}

/** What the user can set. Each is checked once, in the constructor: `bad-option` names the option and its range. */
export interface ConnOptions<In = Payload, Out = In> {
  /** How values become payloads. Default {@link message}: strings and bytes as they are. */
  readonly codec?: CodecLike<In, Out> | undefined;
  /**
   * Subprotocols to offer, each a token and each once (RFC 6455, sections 1.9 and 4.1). If none of them is selected, the
   * attempt failed. Default none.
   */
  readonly protocols?: Provider<string | readonly string[]> | undefined;
  /** Node only. Headers of the upgrade request. Default none. */
  readonly headers?: Provider<Readonly<Record<string, string>>> | undefined;
  /** Node only. The `Origin` header. Default the URL's own origin. */
  readonly origin?: string | undefined;
  /** Node only. Passed to the constructor of `ws`, such as `{ ca }`. Default `{ perMessageDeflate: false }`. */
  readonly clientOptions?: object | undefined;
  /**
   * Bytes of the longest message accepted, after inflating, text as UTF-8. A longer one ends the Conn with 1009: in Node
   * before it is buffered whole, in a browser after delivery. At least 0; default 32 MiB.
   */
  readonly maxPayloadBytes?: number | undefined;
  /** Bytes of the longest message sent; a longer one throws `too-large`. At least 0; default no limit. */
  readonly maxSendBytes?: number | undefined;
  /** Bounds of what waits to be written. */
  readonly outbox?: Partial<OutboxBounds> | undefined;
  /** Bounds of what waits to be received; `false` throws away what nobody waits for, and counts it in `stats`. */
  readonly inbox?: Partial<InboxBounds> | false | undefined;
  /**
   * How a dead connection is noticed. In a browser it needs `ping` and `isPong`, or `resume` with a server that speaks
   * it; without them there is none.
   */
  readonly heartbeat?: HeartbeatOptions | false | undefined;
  /** The wait before each retry. If it throws or returns no number, the wait is the longest. Default {@link exponential}. */
  readonly backoff?: Backoff | undefined;
  /**
   * Overrules the verdict on an ending: `false` ends the Conn, `true` retries, a number retries after that many
   * milliseconds. If it throws, the verdict stands. Default the verdict, in `info.retry`.
   */
  readonly shouldRetry?: ((info: DisconnectInfo) => boolean | number) | undefined;
  /** Milliseconds for a whole attempt: providers, handshake and setup. At least 0; default 10 s. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds for `close()`: flushing and the closing handshake. At least 0; default 2 s. */
  readonly closeTimeoutMs?: number | undefined;
  /** Milliseconds a connection must last to count as stable and reset the backoff. At least 0; default 5 s. */
  readonly stableAfterMs?: number | undefined;
  /** Retries in a row before the Conn gives up. At least 0; default no limit. */
  readonly maxRetries?: number | undefined;
  /** Milliseconds without a connection before the Conn gives up. At least 0; default no limit. */
  readonly giveUpAfterMs?: number | undefined;
  /**
   * Runs on each new connection before anything queued is sent, for authentication and resubscription. If it throws,
   * the attempt failed; if it throws `fatal(…)`, the Conn is closed.
   */
  readonly setup?: ((context: SetupContext<In, Out>) => void | Promise<void>) | undefined;
  /**
   * Who tells of the network, of a page that is cached or frozen, and of sleep. `false` hears nothing. Default the page's
   * own signals, where there is a page.
   */
  readonly lifecycle?: LifecycleSource | false | undefined;
  /** Exactly once across drops: `resume()` from `tautline/resume`. Default none: what is in flight may be lost. */
  readonly resume?: Resume | undefined;
  /** Ends the Conn at once when aborted. Default none. */
  readonly signal?: AbortSignal | undefined;
  /** Whether to dial without being asked, a microtask after construction. Default true. */
  readonly autoConnect?: boolean | undefined;
  /** The WebSocket class to use. One that is to be used as `ws` is must be an EventEmitter. Default `ws` in Node, else the platform's. */
  readonly WebSocket?: WebSocketConstructor | undefined;
}

/** The options, filled and checked. */
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
  readonly heartbeat: (HeartbeatOptions & HeartbeatTimes) | false;
  readonly backoff: Backoff;
  readonly shouldRetry: ((info: DisconnectInfo) => boolean | number) | undefined;
  readonly connectTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly stableAfterMs: number;
  readonly maxRetries: number;
  readonly giveUpAfterMs: number;
  readonly setup: ((context: SetupContext<In, Out>) => void | Promise<void>) | undefined;
  readonly lifecycle: LifecycleSource | undefined;
  readonly resume: Resume | undefined;
  readonly signal: AbortSignal | undefined;
  readonly autoConnect: boolean;
  readonly WebSocket: WebSocketConstructor | undefined;
}

const MIB = 2 ** 20;
const { POSITIVE_INFINITY: NO_LIMIT } = Number;

/** Numbers that are taken as they are, with their defaults. */
const NUMBERS = {
  maxPayloadBytes: 32 * MIB,
  maxSendBytes: NO_LIMIT,
  connectTimeoutMs: 10_000,
  closeTimeoutMs: 2_000,
  stableAfterMs: 5_000,
  maxRetries: NO_LIMIT,
  giveUpAfterMs: NO_LIMIT,
};
/** What a small message weighs in memory all the same: many of them are bounded in number. */
const OVERHEAD_BYTES = 64;
const MIN_MESSAGES = 1_024;
const OUTBOX: OutboxBounds = {
  overflow: "reject",
  highWaterMark: MIB,
  maxBytes: 16 * MIB,
  maxMessages: (16 * MIB) / OVERHEAD_BYTES,
};
export const INBOX: InboxBounds = { highWaterMark: MIB, maxBytes: 64 * MIB, overflow: "close" };
const HEARTBEAT: HeartbeatTimes = { intervalMs: 15_000, timeoutMs: 10_000 };
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const OVERFLOWS = { "outbox.": ["reject", "drop-oldest"], "inbox.": ["close", "drop-oldest", "drop-newest"] };

/** What each Conn's settings inherit: what was not given is kept once for all. */
const DEFAULTS: Partial<ResolvedOptions<Payload, Payload>> = {
  ...NUMBERS,
  codec: message,
  protocols: [],
  outbox: OUTBOX,
  inbox: INBOX,
  heartbeat: HEARTBEAT,
  backoff: /* @__PURE__ */ exponential(),
  lifecycle: pageLifecycle,
  autoConnect: true,
};

type Options<T> = { readonly [name in keyof T]?: T[name] | undefined };

const isFunction = (value: unknown) => typeof value === "function";
const isObject = (value: unknown) => typeof value === "object" && value !== null;
const isString = (value: unknown) => typeof value === "string";

/** What the other options must be. */
const TYPE_RULES: readonly (readonly [string, readonly (keyof ConnOptions)[], (value: unknown) => boolean])[] = [
  ["a function", ["backoff", "shouldRetry", "setup", "resume", "WebSocket"], isFunction],
  ["an object", ["outbox", "clientOptions", "codec"], isObject],
  ["an object or false", ["inbox", "heartbeat", "lifecycle"], (value) => value === false || isObject(value)],
  ["an object or a function", ["headers"], (value) => isObject(value) || isFunction(value)],
  ["a string", ["origin"], isString],
  ["an AbortSignal", ["signal"], (value) => isObject(value) && "aborted" in (value as object)],
  ["true or false", ["autoConnect"], (value) => typeof value === "boolean"],
];

/** Fills and checks what the user gave. @throws {@link ConnError} `bad-option` */
export function resolveOptions<In, Out>(options: ConnOptions<In, Out>): ResolvedOptions<In, Out> {
  const settings: { -readonly [name in keyof ResolvedOptions<In, Out>]: unknown } = Object.create(DEFAULTS);
  Object.assign(settings, pickGiven("", NUMBERS, options));
  for (const [range, names, isGood] of TYPE_RULES) {
    for (const name of names) {
      const value = options[name];
      if (value === undefined) continue;
      if (!isGood(value)) throw badOption(name, range, value);
      settings[name] = value;
    }
  }
  const { codec, protocols, lifecycle, outbox, inbox, heartbeat } = options;
  if (codec && !(isFunction(codec.marshal) && isFunction(codec.unmarshal))) {
    throw badOption("codec", "{ marshal, unmarshal }", codec);
  }
  if (lifecycle && !(isFunction(lifecycle.subscribe) && isFunction(lifecycle.isOnline))) {
    throw badOption("lifecycle", "{ subscribe, isOnline } or false", lifecycle);
  }
  if (lifecycle === false) settings.lifecycle = undefined;
  if (heartbeat && !heartbeat.ping !== !heartbeat.isPong)
    throw badOption("heartbeat", "with both ping and isPong", heartbeat);
  if (protocols !== undefined) settings.protocols = isFunction(protocols) ? protocols : parseProtocols(protocols);
  if (outbox) {
    const maxMessages = Math.max((outbox.maxBytes ?? OUTBOX.maxBytes) / OVERHEAD_BYTES, MIN_MESSAGES);
    settings.outbox = withDefaults("outbox.", { ...OUTBOX, maxMessages }, outbox);
  }
  if (inbox) settings.inbox = withDefaults("inbox.", INBOX, inbox);
  if (heartbeat) settings.heartbeat = { ...heartbeat, ...withDefaults("heartbeat.", HEARTBEAT, heartbeat) };
  return settings as ResolvedOptions<In, Out>;
}

/**
 * The subprotocols to offer, as every platform takes them: tokens, each once (RFC 6455, section 4.1; RFC 9110,
 * section 5.6.2). @throws {@link ConnError} `bad-option`
 */
export function parseProtocols(protocols: unknown): readonly string[] {
  const names = [protocols].flat() as string[];
  if (new Set(names).size === names.length && names.every((name) => isString(name) && TOKEN.test(name))) return names;
  throw badOption("protocols", "tokens, each once, or a function", protocols);
}

/** Refuses bad options of one send. @throws {@link ConnError} `bad-option` */
export function checkSend({ ttlMs, key }: SendOptions): void {
  if (ttlMs !== undefined && !(ttlMs > 0)) throw badOption("ttlMs", "a number above 0", ttlMs);
  if (key !== undefined && typeof key !== "string") throw badOption("key", "a string", key);
}

/**
 * Refuses a close code that may not be sent: a client may send 1000 and 3000 to 4999 on every platform, a server a few
 * more (RFC 6455, section 7.4).
 *
 * @throws {@link ConnError} `bad-option`
 */
export function checkCode(code: number, isServer: boolean): void {
  if (code === 1000 || (Number.isInteger(code) && code >= 3000 && code < 5000)) return;
  if (isServer && [1001, 1008, 1011, 1012, 1013].includes(code)) return;
  throw badOption("code", isServer ? "1000, 1001, 1008, 1011 to 1013 or 3000 to 4999" : "1000 or 3000 to 4999", code);
}

/** The options of `presets` as the user set them, or as preset. */
function withDefaults<T extends object>(group: string, presets: T, options: Options<T>): T {
  return { ...presets, ...pickGiven(group, presets, options) };
}

/** Those options of `presets` that the user set. */
function pickGiven<T extends object>(group: string, presets: T, options: Options<T>): Partial<T> {
  // An interval of nothing would be a storm.
  const min = group === "heartbeat." ? 1 : 0;
  const all: Partial<T> = {};
  for (const name in presets) {
    const value = options[name];
    if (value === undefined) continue;
    if (name === "overflow") {
      const range = OVERFLOWS[group as keyof typeof OVERFLOWS];
      if (!range.includes(value as string)) throw badOption(group + name, range.join(" or "), value);
    } else if (typeof value !== "number" || !(value >= min))
      throw badOption(group + name, `a number, at least ${min}`, value);
    all[name] = value as T[typeof name];
  }
  return all;
}

function badOption(name: string, range: string, value: unknown): ConnError {
  const got =
    Array.isArray(value) || isString(value) ? JSON.stringify(value) : isObject(value) ? "an object" : String(value);
  return new ConnError("bad-option", `${name} must be ${range}; got ${got}.`);
}
