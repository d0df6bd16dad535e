import { deferred } from "../../src/base/deferred.ts";
import { aborted, ConnError } from "../../src/base/errors.ts";
import type { SendOptions, SendOutcome } from "../../src/base/send-options.ts";
import type { CloseInfo } from "../../src/core/events.ts";
import type { StateName } from "../../src/core/state-machine.ts";
import type { RpcMessage } from "../../src/rpc/frames.ts";
import type { RpcConn, RpcConnEvents } from "../../src/rpc/rpc-conn.ts";

type Listener = (payload: never) => void;

/** A message that the fake has taken and not settled. */
interface Entry {
  readonly value: RpcMessage;
  readonly options: SendOptions;
  readonly call: ReturnType<typeof deferred<void>>;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** The part of a Conn that rpc uses, moved by the test: it writes at once while it is open and not held. */
export class FakeRpcConn implements RpcConn {
  state: StateName = "open";
  hasSession = false;
  /** Every frame that a connection took, in order. */
  readonly written: RpcMessage[] = [];
  /** Errors that were reported, which a Conn emits. */
  readonly reported: ConnError[] = [];
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #closed = deferred<CloseInfo>();
  #waiting: Entry[] = [];
  #inbox: unknown[] = [];
  #unacknowledged: Entry[] = [];
  #isHeld = false;

  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  /** Listeners that are attached to all events. */
  get listenerCount(): number {
    return [...this.#listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }

  /** Messages that nobody has read. */
  get unread(): number {
    return this.#inbox.length;
  }

  /** Messages that wait to be written. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The last frame that was written. */
  get last(): { readonly [key: string]: unknown } {
    return this.written.at(-1) as unknown as { readonly [key: string]: unknown };
  }

  send(value: RpcMessage, options: SendOptions = {}): Promise<void> {
    try {
      JSON.stringify(value);
    } catch (cause) {
      throw new ConnError("marshal", undefined, { cause });
    }
    const entry: Entry = { value, options, call: deferred<void>(), timer: undefined };
    if (this.state === "closing" || this.state === "closed") this.#refuse(entry, new ConnError("closed"));
    else if (this.state === "open" && !this.#isHeld) this.#write(entry);
    else if (options.volatile) this.#refuse(entry, new ConnError("not-writable"));
    else {
      this.#waiting.push(entry);
      const { ttlMs, signal } = options;
      if (ttlMs) entry.timer = setTimeout(() => this.#refuse(entry, new ConnError("expired")), ttlMs);
      signal?.addEventListener("abort", () => {
        if (this.#waiting.includes(entry)) this.#refuse(entry, aborted(signal));
      });
    }
    return entry.call.promise;
  }

  report(error: ConnError): void {
    this.reported.push(error);
  }

  on<Name extends keyof RpcConnEvents>(event: Name, listener: (payload: RpcConnEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    if (event === "message") queueMicrotask(() => this.#read());
    return () => listeners.delete(listener);
  }

  // The test's side.

  /** Delivers a message of the other end, in the form that JSON gives it. */
  deliver(...values: unknown[]): void {
    this.#inbox.push(...values.map((value) => (value === undefined ? value : JSON.parse(JSON.stringify(value)))));
    this.#read();
  }

  /** Delivers a value as it is. */
  deliverRaw(value: unknown): void {
    this.#inbox.push(value);
    this.#read();
  }

  /** Answers the last request with `result`. */
  answer(result: unknown, id: unknown = this.last.id): void {
    this.deliver({ jsonrpc: "2.0", id, result });
  }

  /** Keeps what is sent from being written, as above the high-water mark. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const entry of this.#waiting.splice(0)) this.#write(entry);
  }

  /** The connection ends, and the Conn waits for another. */
  drop(): void {
    this.#go("waiting");
  }

  /** Another connection is open. */
  reopen(): void {
    this.#go("open");
    this.release();
  }

  /** The other end acknowledges all that was written. */
  acknowledge(): void {
    for (const entry of this.#unacknowledged.splice(0)) this.#tell(entry, "acknowledged");
  }

  /** The session is lost: what is acknowledged is known, `undelivered` messages go on, all else is in doubt. */
  loseSession({ undelivered = 0 } = {}): void {
    const inDoubt = this.#unacknowledged.splice(0, this.#unacknowledged.length - undelivered);
    for (const entry of inDoubt) this.#tell(entry, "in-doubt");
    this.#emit("session-lost", {});
  }

  /** The Conn ends. */
  end(): void {
    this.#go("closing");
    this.#go("closed");
    for (const entry of [...this.#waiting]) this.#refuse(entry, new ConnError("closed"));
    this.#emit("closed", {});
    this.#closed.resolve({ code: 1000 } as CloseInfo);
  }

  #go(to: StateName): void {
    const from = this.state;
    this.state = to;
    this.#emit("state", { from, to });
  }

  #read(): void {
    while (this.#inbox.length > 0 && this.#listeners.get("message")?.size) this.#emit("message", this.#inbox.shift());
  }

  #emit(event: string, payload: unknown): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(payload as never);
  }

  #write(entry: Entry): void {
    clearTimeout(entry.timer);
    this.written.push(entry.value);
    if (this.hasSession) this.#unacknowledged.push(entry);
    this.#tell(entry, "written");
    entry.call.resolve();
  }

  #refuse(entry: Entry, error: ConnError): void {
    clearTimeout(entry.timer);
    this.#waiting = this.#waiting.filter((other) => other !== entry);
    this.#tell(entry, "refused", error);
    entry.call.reject(error);
  }

  #tell({ options }: Entry, outcome: SendOutcome, error?: ConnError): void {
    options.onOutcome?.(outcome, error);
  }
}
