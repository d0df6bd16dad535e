import { type Deferred, deferred } from "../../base/deferred.ts";
import { badOption, failOption, onAbort } from "../../base/errors.ts";
import { flagRule, type OptionRules, rule, takeOptions } from "../../base/option-rules.ts";
import type { Payload } from "../../base/payload.ts";
import { type CodecLike, message } from "../../codec/codec.ts";
import { selectProtocol, speaksResume } from "../../resume/protocol/subprotocol.ts";
import { parseTarget } from "../../whatwg/arguments.ts";
import { inMicrotask } from "../../whatwg/microtask.ts";
import { StandardWebSocket } from "../../whatwg/web-socket.ts";
import { type FakeConnection, ServerConnection, WAITING } from "./fake-connection.ts";
import { FakeLine } from "./fake-line.ts";
import { FakeSessions } from "./fake-sessions.ts";

/** The protocols that a fake server speaks. */
export interface FakeServerOptions<In = Payload, Out = In> {
  /** How messages become payloads: the application's own codec. Default {@link message}: strings and bytes as they are. */
  readonly codec?: CodecLike<In, Out> | undefined;
  /** Subprotocols that the server speaks, best first. A client may offer any of them. Default none: none is selected. */
  readonly protocols?: readonly string[] | undefined;
  /** Whether the server speaks resume with clients that do. Default false. */
  readonly resume?: boolean | undefined;
}

/** A WebSocket class to use in place of the platform's. */
export type FakeWebSocketClass = {
  new (url: string | URL, protocols?: string | string[]): StandardWebSocket;
} & Pick<typeof StandardWebSocket, "CONNECTING" | "OPEN" | "CLOSING" | "CLOSED" | "prototype">;

/** Gives the global WebSocket back: the result of {@link FakeServer.install}. A `using` declaration takes it too. */
export interface FakeInstallation extends Disposable {
  /** Gives the global WebSocket back. */
  uninstall(): void;
}

/** A server in memory. `In` is what clients send, `Out` what the server sends. */
export interface FakeServer<In = Payload, Out = In> {
  /** The class whose sockets this server accepts, whatever their URL: the `WebSocket` option of a Conn. */
  readonly WebSocket: FakeWebSocketClass;
  /** Every connection that was accepted, oldest first. */
  readonly connections: readonly FakeConnection<In, Out>[];
  /** The number of dials, including those that were refused or held back. */
  readonly dials: number;
  /** Replaces `globalThis.WebSocket`, for code that takes no class, until the result is disposed of. */
  install(): FakeInstallation;
  /**
   * Resolves with the next connection: the first call with the first one, the tenth call with the tenth one, whether it
   * is there already or not. Rejects with ConnError `aborted`.
   */
  next(options?: { readonly signal?: AbortSignal | undefined }): Promise<FakeConnection<In, Out>>;
  /** Leaves dials unanswered until the returned function is called. */
  hold(): () => void;
  /**
   * Refuses the next dials: with an HTTP status, as a network error, or with silence (`"hang"`). Default one dial, as a
   * network error. `times` of 0 undoes an earlier call. Browsers do not tell pages the status, and neither does the fake.
   *
   * @throws ConnError `bad-option`
   */
  refuse(how?: number | "network" | "hang", times?: number): void;
  /** Drops every connection and forgets every session, as a server does that crashes and starts again. */
  restart(): void;
}

const RULES: OptionRules<FakeServerOptions> = {
  codec: rule("an object with marshal and unmarshal, such as json()", isCodec, message),
  protocols: rule("an array of subprotocols, which are tokens, each once", areProtocols, []),
  resume: flagRule(false),
};

interface Refusal {
  readonly how: number | "network" | "hang";
  times: number;
}

/**
 * Creates a server in memory for tests and playgrounds, in any runtime: without a port, and without timers. Everything
 * happens in microtasks; with `resume` acknowledgements take one `setTimeout`.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * ```ts
 * const server = fakeServer<Command, Quote>({ codec: json() });
 * const conn = new Conn<Quote, Command>("wss://example.com/live", { codec: json(), WebSocket: server.WebSocket });
 * const connection = await server.next();
 * connection.send({ symbol: "ROPE", price: 12.5 });
 * ```
 */
export function fakeServer<In = Payload, Out = In>(options: FakeServerOptions<In, Out> = {}): FakeServer<In, Out> {
  return new MemoryServer(takeOptions("", RULES, options, failOption) as Required<FakeServerOptions<In, Out>>);
}

class MemoryServer<In, Out> implements FakeServer<In, Out> {
  readonly WebSocket: FakeWebSocketClass;
  readonly #codec: CodecLike<In, Out>;
  readonly #protocols: readonly string[];
  readonly #sessions: FakeSessions | undefined;
  readonly #connections: ServerConnection<In, Out>[] = [];
  readonly #calls: Deferred<FakeConnection<In, Out>>[] = [];
  /** How many connections `next()` has given. */
  #given = 0;
  readonly #lines = new Set<FakeLine>();
  #held: FakeLine[] = [];
  #holds = 0;
  #refusal: Refusal = { how: "network", times: 0 };
  #dials = 0;

  constructor({ codec, protocols, resume }: Required<FakeServerOptions<In, Out>>) {
    this.#codec = codec as CodecLike<In, Out>;
    this.#protocols = protocols as readonly string[];
    if (resume) this.#sessions = new FakeSessions();
    const dial = (line: FakeLine) => this.#dial(line);
    this.WebSocket = class WebSocket extends StandardWebSocket {
      constructor(url: string | URL, protocols: string | string[] = []) {
        const target = parseTarget(url, protocols);
        super((owner) => {
          const line = new FakeLine(target, owner);
          dial(line);
          return line;
        });
      }
    };
  }

  get connections(): readonly FakeConnection<In, Out>[] {
    return this.#connections;
  }

  get dials(): number {
    return this.#dials;
  }

  install(): FakeInstallation {
    const scope = globalThis as { WebSocket?: unknown };
    const before = Object.getOwnPropertyDescriptor(scope, "WebSocket");
    const own = this.WebSocket;
    Object.defineProperty(scope, "WebSocket", { value: own, writable: true, configurable: true });
    const uninstall = () => {
      // Not another class that was put there since, because its owner removes it.
      if (scope.WebSocket !== own) return;
      if (before) Object.defineProperty(scope, "WebSocket", before);
      else delete scope.WebSocket;
    };
    const installation = { uninstall } as FakeInstallation;
    if (Symbol.dispose) Object.defineProperty(installation, Symbol.dispose, { value: uninstall });
    return installation;
  }

  next(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<FakeConnection<In, Out>> {
    const { signal } = takeOptions("", WAITING, options, failOption);
    const call = deferred<FakeConnection<In, Out>>();
    onAbort(signal, call.promise, (error) => {
      const index = this.#calls.indexOf(call);
      if (index >= 0) this.#calls.splice(index, 1);
      call.reject(error);
    });
    if (signal?.aborted) return call.promise;
    this.#calls.push(call);
    this.#give();
    return call.promise;
  }

  hold(): () => void {
    let isHolding = true;
    this.#holds++;
    return () => {
      if (!isHolding) return;
      isHolding = false;
      if (--this.#holds > 0) return;
      const held = this.#held;
      this.#held = [];
      for (const line of held) this.#admit(line);
    };
  }

  refuse(how: number | "network" | "hang" = "network", times = 1): void {
    const isStatus = typeof how === "number" && Number.isInteger(how) && how >= 300 && how <= 599;
    if (!isStatus && how !== "network" && how !== "hang") {
      throw badOption("how", 'an HTTP status from 300 to 599, "network" or "hang"', how);
    }
    if (!(times >= 0 && (Number.isInteger(times) || times === Number.POSITIVE_INFINITY))) {
      throw badOption("times", "a whole number, at least 0, or Infinity", times);
    }
    this.#refusal = { how, times };
  }

  restart(): void {
    for (const line of this.#lines) line.drop();
    this.#lines.clear();
    this.#sessions?.clear();
  }

  #dial(line: FakeLine): void {
    this.#dials++;
    inMicrotask(() => this.#admit(line));
  }

  #admit(line: FakeLine): void {
    if (line.isOver) return;
    if (this.#holds > 0) {
      this.#held.push(line);
      return;
    }
    if (this.#refusal.times > 0) {
      this.#refusal.times--;
      return refuseLine(line, this.#refusal.how);
    }
    for (const old of this.#lines) if (old.isOver) this.#lines.delete(old);
    this.#lines.add(line);
    this.#accept(line);
  }

  #accept(line: FakeLine): void {
    const { protocols: offered } = line.target;
    const selected = selectProtocol(offered, this.#protocols, this.#sessions !== undefined);
    const { name = "", protocol } = selected;
    const protocols = { offered: offered.filter((each) => !speaksResume(each)), protocol };
    if (this.#sessions && speaksResume(name)) {
      this.#sessions.greet(line, selected, (session, resumed) => {
        const connection = new ServerConnection(line, this.#codec, protocols, session, resumed);
        this.#add(connection);
        return connection;
      });
      return;
    }
    const connection = new ServerConnection<In, Out>(line, this.#codec, protocols);
    line.accept(connection, name);
    this.#add(connection);
  }

  #add(connection: ServerConnection<In, Out>): void {
    this.#connections.push(connection);
    this.#give();
  }

  #give(): void {
    for (let call = this.#calls[0]; call && this.#given < this.#connections.length; call = this.#calls[0]) {
      this.#calls.shift();
      call.resolve(this.#connections[this.#given++] as FakeConnection<In, Out>);
    }
  }
}

function refuseLine(line: FakeLine, how: Refusal["how"]): void {
  if (how === "hang") return;
  if (how !== "network") return line.fail({ message: `Unexpected server response: ${how}` });
  const message = "connect ECONNREFUSED";
  line.fail({ error: Object.assign(new Error(message), { code: "ECONNREFUSED" }), message });
}

function isCodec(value: unknown): boolean {
  const codec = Object(value) as Partial<CodecLike<unknown, unknown>>;
  return typeof codec.marshal === "function" && typeof codec.unmarshal === "function";
}

function areProtocols(value: unknown): boolean {
  try {
    return Array.isArray(value) && parseTarget("ws://localhost", value).protocols.length >= 0;
  } catch {
    return false;
  }
}
