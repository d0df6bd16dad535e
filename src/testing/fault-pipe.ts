import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { FrameScanner } from "./frame-scanner.ts";

/** The present state of the network, for all connections. */
export interface Conditions {
  delayMs: number;
  bytesPerSecond: number;
}

interface Chunk {
  /** Bytes to pass on, or a function that does to the receiver what the sender did to the connection. */
  readonly data: Buffer | (() => void);
  readonly due: number;
}

/** Bytes that a pipe holds. Further bytes stay with the sender, as in a real network. */
const WINDOW_BYTES = 64 * 1024;
/** Parts into which a second of throttled bytes is cut. */
const SLICES = 50;

/** One direction of one connection: passes on what comes from one socket to the other, in order. */
export class FaultPipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #conditions: Conditions;
  readonly #scanner = new FrameScanner();
  readonly #chunks: Chunk[] = [];
  #held = 0;
  #isRunning = false;
  /** When the bytes before have left, at the throttled rate, by `performance.now()`. */
  #clearAt = 0;
  #isBlackholed = false;
  #cut: ((size: number) => number) | undefined;

  constructor(from: Socket, to: Socket, conditions: Conditions) {
    this.#from = from;
    this.#to = to;
    this.#conditions = conditions;
    from.on("data", (chunk: Buffer) => this.#onData(chunk));
    from.on("end", () => this.#enqueue(() => (to.destroyed ? from.destroy() : to.end())));
    from.on("error", () => this.#enqueue(() => to.resetAndDestroy()));
  }

  /** Stops reading and passing on. Bytes that were on their way are lost. */
  blackhole(): void {
    this.#isBlackholed = true;
    this.#chunks.length = 0;
    this.#held = 0;
    this.#from.pause();
  }

  /** Reads again after `blackhole()`, and passes on the end of the connection only, because bytes after lost ones make no sense. */
  heal(): void {
    if (this.#isBlackholed) this.#from.resume();
  }

  /** Passes on `offset(size)` bytes of the next frame of `size` bytes; then ends both sockets. */
  cutInFrame(offset: (size: number) => number): void {
    this.#cut = offset;
  }

  /** Passes on bytes that no peer sent. */
  inject(bytes: Buffer): void {
    this.#enqueue(bytes);
  }

  #onData(chunk: Buffer): void {
    if (this.#isBlackholed) return;
    const [frame] = this.#scanner.take(chunk);
    if (!this.#cut || !frame) return this.#enqueue(chunk);
    const end = frame.at + this.#cut(frame.size);
    this.#enqueue(chunk.subarray(0, end));
    this.#enqueue(() => {
      this.#from.end();
      this.#to.end();
    });
    this.#from.removeAllListeners("data").resume();
  }

  #enqueue(data: Chunk["data"]): void {
    if (this.#isBlackholed && typeof data === "function") return data();
    this.#chunks.push({ data, due: performance.now() + this.#conditions.delayMs });
    this.#addHeld(sizeOf(data));
    if (!this.#isRunning) this.#run();
  }

  #addHeld(bytes: number): void {
    this.#held += bytes;
    if (this.#held > WINDOW_BYTES) this.#from.pause();
    else if (!this.#isBlackholed) this.#from.resume();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let chunk = this.#chunks[0]; chunk; chunk = this.#chunks[0]) {
      // A black hole empties the queue, and with it loses the chunk that is waited for.
      const isLost = () => chunk !== this.#chunks[0];
      await until(chunk.due);
      if (isLost()) continue;
      const { data } = chunk;
      if (typeof data === "function") data();
      else await this.#pass(data, isLost);
      if (isLost()) continue;
      this.#chunks.shift();
      this.#addHeld(-sizeOf(data));
    }
    this.#isRunning = false;
  }

  async #pass(bytes: Buffer, isLost: () => boolean): Promise<void> {
    const { bytesPerSecond } = this.#conditions;
    const step = Math.ceil(Math.min(bytes.length, bytesPerSecond / SLICES));
    for (let at = 0; at < bytes.length && !isLost() && this.#to.writable; at += step) {
      const slice = bytes.subarray(at, at + step);
      this.#clearAt = Math.max(this.#clearAt, performance.now()) + (1000 * slice.length) / bytesPerSecond;
      if (!this.#to.write(slice)) await untilWritable(this.#to);
      await until(this.#clearAt);
    }
  }
}

function sizeOf(data: Chunk["data"]): number {
  return typeof data === "function" ? 0 : data.length;
}

/** Resolves when the socket takes more, or is closed. */
function untilWritable(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

async function until(due: number): Promise<void> {
  const ms = due - performance.now();
  if (ms > 0) await pause(ms);
}
