import { ConnError } from "../../base/errors.ts";
import { Timer } from "../../base/timer.ts";
import { isReply, type RedisArgument, type RedisConnection } from "./connection.ts";
import { isForeign, isNoScript, isUnwritten, isWrongServer, refusedBy, unanswered } from "./failures.ts";
import { SCRIPTS, type Script } from "./scripts.ts";

interface Call {
  /** The order of the calls. */
  readonly number: number;
  readonly script: Script | undefined;
  readonly args: readonly RedisArgument[];
  readonly isRepeatable: boolean;
  /** By `performance.now()`. */
  readonly expiresAt: number;
  /** Whether it was written to a connection, so that Redis may have run it. */
  wasSent: boolean;
  resolve(reply: unknown): void;
  reject(error: ConnError): void;
}

export interface CommandsOwner {
  /** Called when a connection delivers nothing, or leads to a server that can't serve us. */
  onBroken(error: unknown): void;
  /** Called when Redis holds data that is not ours, or is a Cluster. */
  onError(error: ConnError): void;
}

/**
 * Sends calls to Redis in order, and settles each within its time. A call waits while there is no connection, within a
 * bound. Redis may have run what was in flight when a connection was lost: only repeatable calls are sent again then.
 */
export class Commands {
  readonly #owner: CommandsOwner;
  readonly #timeoutMs: number;
  readonly #maxPending: number;
  readonly #timer = new Timer();
  /** All that are not settled, the oldest first. */
  readonly #calls = new Set<Call>();
  /** The calls that are to be sent, or sent again, in any order. */
  #held: Call[] = [];
  #connection: RedisConnection | undefined;
  /** The digests of the scripts on this connection. Undefined while they are to be loaded again. */
  #digests: ReadonlyMap<Script, string> | undefined;
  #inFlight = 0;
  #count = 0;
  #lastLoss: unknown;
  #isClosed = false;

  constructor(owner: CommandsOwner, timeoutMs: number, maxPending: number) {
    this.#owner = owner;
    this.#timeoutMs = timeoutMs;
    this.#maxPending = maxPending;
  }

  /** Loads the scripts before anything else, so that no call has to be sent again for want of its script. */
  static async load(connection: RedisConnection): Promise<ReadonlyMap<Script, string>> {
    const loads = SCRIPTS.map(async (script) => {
      const digest = await connection.send(["SCRIPT", "LOAD", script.source]);
      return [script, String(digest)] as const;
    });
    return new Map(await Promise.all(loads));
  }

  attach(connection: RedisConnection, digests: ReadonlyMap<Script, string>): void {
    this.#connection = connection;
    this.#digests = digests;
    this.#inFlight = 0;
    this.#sendHeld();
  }

  detach(error: unknown): void {
    this.#connection = undefined;
    this.#lastLoss = error;
  }

  /** Runs a script. Rejects with `unavailable`, `unsupported` (Redis Cluster) and `closed`. */
  run(
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
    { isRepeatable }: { readonly isRepeatable: boolean },
  ): Promise<unknown> {
    return this.#call(script, [String(keys.length), ...keys, ...args], isRepeatable);
  }

  /** Sends a command that may run twice. Rejects as `run()` does. */
  send(args: readonly RedisArgument[]): Promise<unknown> {
    return this.#call(undefined, args, true);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.stop();
    this.#connection = undefined;
    for (const call of [...this.#calls]) this.#settle(call, () => call.reject(closed()));
  }

  #call(script: Script | undefined, args: readonly RedisArgument[], isRepeatable: boolean): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(closed());
    if (this.#calls.size >= this.#maxPending) {
      const message = `${this.#maxPending} calls wait for Redis already: publish less, or raise maxPending.`;
      return Promise.reject(new ConnError("unavailable", message));
    }
    return new Promise((resolve, reject) => {
      const expiresAt = performance.now() + this.#timeoutMs;
      const number = this.#count++;
      const call = { number, script, args, isRepeatable, expiresAt, wasSent: false, resolve, reject };
      this.#calls.add(call);
      if (this.#calls.size === 1) this.#timer.start(this.#timeoutMs, () => this.#expire());
      if (this.#connection && this.#digests && this.#held.length === 0) this.#send(this.#connection, call);
      else this.#held.push(call);
    });
  }

  #send(connection: RedisConnection, call: Call): void {
    const { script, args } = call;
    const digest = script && this.#digests?.get(script);
    call.wasSent = true;
    this.#inFlight++;
    connection.send(digest === undefined ? args : ["EVALSHA", digest, ...args]).then(
      (reply) => {
        this.#settle(call, () => call.resolve(reply));
        this.#onAnswer(connection);
      },
      (error: unknown) => {
        this.#onFailure(connection, call, error);
        this.#onAnswer(connection);
      },
    );
  }

  #onFailure(connection: RedisConnection, call: Call, error: unknown): void {
    if (!this.#calls.has(call)) return;
    if (isNoScript(error)) {
      if (connection === this.#connection) this.#digests = undefined;
      call.wasSent = false;
      this.#held.push(call);
    } else if (isReply(error)) {
      const refusal = refusedBy(error);
      this.#settle(call, () => call.reject(refusal));
      if (isForeign(error) || refusal.code === "unsupported") this.#owner.onError(refusal);
      if (isWrongServer(error) && connection === this.#connection) this.#owner.onBroken(error);
    } else if (call.isRepeatable || isUnwritten(error)) {
      this.#held.push(call);
    } else {
      this.#settle(call, () => call.reject(unanswered(true, error)));
    }
  }

  #onAnswer(connection: RedisConnection): void {
    if (connection === this.#connection) this.#inFlight--;
    this.#sendHeld();
  }

  /** Sends what is held, once nothing is in flight: a call in flight may fail and be held too, and the order must stay. */
  #sendHeld(): void {
    const connection = this.#connection;
    if (!connection || this.#held.length === 0 || this.#inFlight > 0) return;
    if (!this.#digests) return this.#loadAgain(connection);
    const held = this.#held.sort((a, b) => a.number - b.number);
    this.#held = [];
    for (const call of held) if (this.#calls.has(call)) this.#send(connection, call);
  }

  /** Loads the scripts again after somebody flushed them. */
  #loadAgain(connection: RedisConnection): void {
    this.#inFlight++;
    Commands.load(connection).then(
      (digests) => {
        if (connection === this.#connection) this.#digests = digests;
        this.#onAnswer(connection);
      },
      (error: unknown) => connection === this.#connection && this.#owner.onBroken(error),
    );
  }

  #settle(call: Call, act: () => void): void {
    if (!this.#calls.delete(call)) return;
    act();
  }

  #expire(): void {
    const now = performance.now();
    let isSilent = false;
    for (const call of this.#calls) {
      if (call.expiresAt > now) {
        this.#timer.start(call.expiresAt - now, () => this.#expire());
        break;
      }
      isSilent ||= call.wasSent;
      this.#settle(call, () => call.reject(unanswered(call.wasSent, this.#lastLoss)));
    }
    this.#held = this.#held.filter((call) => this.#calls.has(call));
    const isStuck = isSilent && this.#connection && now - this.#connection.receivedAt >= this.#timeoutMs;
    if (isStuck) this.#owner.onBroken(new Error(`Redis did not answer for ${this.#timeoutMs} ms.`));
  }
}

function closed(): ConnError {
  return new ConnError("closed", "The engine is closed.");
}
