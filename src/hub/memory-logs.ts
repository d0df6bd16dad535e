import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import type { History, LogEntry, LogPart, Position, ReadFrom, ReadLimit } from "../server/engine.ts";
import { MemoryLog } from "./memory-log.ts";
import type { ResolvedMemoryOptions } from "./memory-options.ts";

/** How often logs are looked through for those that have expired. A log that is asked for sooner is checked then. */
const SWEEP_MS = 10_000;

/** All logs of an engine in memory, within bounds of bytes, number and time. */
export class MemoryLogs {
  readonly #options: ResolvedMemoryOptions;
  /** By channel, the longest unused first. */
  readonly #logs = new Map<string, MemoryLog>();
  /** Logs that have entries, the one whose last publish is longest ago first. */
  readonly #filled = new Set<MemoryLog>();
  readonly #timer = new Timer();
  #bytes = 0;

  constructor(options: ResolvedMemoryOptions) {
    this.#options = options;
  }

  append(channel: string, data: Payload, { size, ttlMs }: History): LogEntry {
    const log = this.#use(channel, ttlMs);
    const before = log.bytes;
    const entry = log.append(data, size);
    log.entriesExpireAt = performance.now() + ttlMs;
    this.#bytes += log.bytes - before;
    this.#filled.delete(log);
    this.#filled.add(log);
    this.#makeRoom(log);
    return entry;
  }

  read(channel: string, from: ReadFrom, limit: ReadLimit): LogPart | undefined {
    const log = this.#find(channel);
    if (log) return log.read(from, limit);
    return "last" in from ? { entries: [], head: this.head(channel) } : undefined;
  }

  /** Returns the head of a log, which begins where there is none, and lives on. */
  head(channel: string, ttlMs = 0): Position {
    return this.#use(channel, ttlMs).head;
  }

  clear(): void {
    this.#timer.stop();
    this.#logs.clear();
    this.#filled.clear();
    this.#bytes = 0;
  }

  /** Returns the log of a channel unless it has expired. */
  #find(channel: string): MemoryLog | undefined {
    const log = this.#logs.get(channel);
    if (log) this.#expire(channel, log);
    return this.#logs.get(channel);
  }

  #use(channel: string, ttlMs: number): MemoryLog {
    const log = this.#find(channel) ?? new MemoryLog();
    log.expiresAt = Math.max(log.expiresAt, performance.now() + Math.max(ttlMs, this.#options.headTtlMs));
    this.#logs.delete(channel);
    this.#logs.set(channel, log);
    if (this.#logs.size > this.#options.maxLogs) this.#dropOldest();
    if (this.#logs.size === 1) this.#sweepLater();
    return log;
  }

  #dropOldest(): void {
    for (const [channel, log] of this.#logs) return this.#drop(channel, log);
  }

  #drop(channel: string, log: MemoryLog): void {
    this.#forgetEntries(log);
    this.#logs.delete(channel);
  }

  #forgetEntries(log: MemoryLog): void {
    this.#bytes -= log.bytes;
    log.forgetEntries();
    this.#filled.delete(log);
  }

  /** Forgets entries above the bound of bytes, those of `newest` last. Its newest entry stays. */
  #makeRoom(newest: MemoryLog): void {
    for (const log of this.#filled) {
      if (this.#bytes <= this.#options.maxBytes) return;
      if (log !== newest) this.#forgetEntries(log);
    }
    while (this.#bytes > this.#options.maxBytes && newest.length > 1) {
      const before = newest.bytes;
      newest.dropOldest();
      this.#bytes += newest.bytes - before;
    }
  }

  #expire(channel: string, log: MemoryLog): void {
    const now = performance.now();
    if (now >= log.expiresAt) this.#drop(channel, log);
    else if (now >= log.entriesExpireAt) this.#forgetEntries(log);
  }

  #sweepLater(): void {
    this.#timer.start(
      SWEEP_MS,
      () => {
        for (const [channel, log] of this.#logs) this.#expire(channel, log);
        if (this.#logs.size > 0) this.#sweepLater();
      },
      true,
    );
  }
}
