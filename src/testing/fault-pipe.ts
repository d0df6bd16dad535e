import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { FrameScanner } from "./frame-scanner.ts";

/** The present state of the network, for all connections. */
export interface Conditions {
  delayMs: number;
  bytesPerSecond: number;
}

interface Chunk {
  /** Bytes to hand on, or what their sender did to the connection. */
  readonly data: Buffer | (() => void);
  readonly due: number;
}

/** Bytes that a way holds. More than that stay with the sender, as in a real network. */
const WINDOW_BYTES = 64 * 1024;
/** Parts into which a second of throttled bytes is cut. */
const SLICES = 50;

/** One direction of one connection: hands on what comes from one socket to the other, in order. */
export class FaultPipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #conditions: Conditions;
  readonly #scanner = new FrameScanner();
  readonly #chunks: Chunk[] = [];
  #held = 0;
  #isRunning = false;
  /** When the line is clear of the bytes before. */
  #clearAt = 0;
  #isBlackholed = false;
  #cut: ((size: number) => number) | undefined;

  constructor(from: Socket, to: Socket, weather: Conditions) {
    this.#from = from;
    this.#to = to;
    this.#conditions = weather;
    from.on("data", (chunk: Buffer) => this.#took(chunk));
    from.on("end", () => this.#put(() => (to.destroyed ? from.destroy() : to.end())));
    from.on("error", () => this.#put(() => to.resetAndDestroy()));
  }

  /** From now on nothing is taken and nothing handed on, and what was on its way is lost. */
  blackhole(): void {
    this.#isBlackholed = true;
    this.#chunks.length = 0;
    this.#held = 0;
    this.#from.pause();
  }

  /** Lost bytes stay lost, and later bytes would make no sense without them; the end of the connection is passed on. */
  heal(): void {
    if (this.#isBlackholed) this.#from.resume();
  }

  /** Hands on `offset(size)` bytes of the next frame of `size` bytes; then both sockets end. */
  cutInFrame(offset: (size: number) => number): void {
    this.#cut = offset;
  }

  /** Hands on bytes that nobody sent. */
  inject(bytes: Buffer): void {
    this.#put(bytes);
  }

  #took(chunk: Buffer): void {
    if (this.#isBlackholed) return;
    const [frame] = this.#scanner.take(chunk);
    if (!this.#cut || !frame) return this.#put(chunk);
    const end = frame.at + this.#cut(frame.size);
    this.#put(chunk.subarray(0, end));
    this.#put(() => {
      this.#from.end();
      this.#to.end();
    });
    this.#from.removeAllListeners("data").resume();
  }

  #put(goods: Chunk["data"]): void {
    if (this.#isBlackholed && typeof goods === "function") return goods();
    this.#chunks.push({ data: goods, due: performance.now() + this.#conditions.delayMs });
    this.#hold(sizeOf(goods));
    if (!this.#isRunning) this.#run();
  }

  #hold(bytes: number): void {
    this.#held += bytes;
    if (this.#held > WINDOW_BYTES) this.#from.pause();
    else if (!this.#isBlackholed) this.#from.resume();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let parcel = this.#chunks[0]; parcel; parcel = this.#chunks[0]) {
      await until(parcel.due);
      if (parcel !== this.#chunks[0]) continue;
      const { data: goods } = parcel;
      if (typeof goods === "function") goods();
      else await this.#hand(goods, () => parcel !== this.#chunks[0]);
      if (parcel !== this.#chunks[0]) continue;
      this.#chunks.shift();
      this.#hold(-sizeOf(goods));
    }
    this.#isRunning = false;
  }

  async #hand(bytes: Buffer, isLost: () => boolean): Promise<void> {
    const { bytesPerSecond } = this.#conditions;
    const step = Math.ceil(Math.min(bytes.length, bytesPerSecond / SLICES));
    for (let at = 0; at < bytes.length && !isLost() && this.#to.writable; at += step) {
      const slice = bytes.subarray(at, at + step);
      this.#clearAt = Math.max(this.#clearAt, performance.now()) + (1000 * slice.length) / bytesPerSecond;
      if (!this.#to.write(slice)) await room(this.#to);
      await until(this.#clearAt);
    }
  }
}

function sizeOf(goods: Chunk["data"]): number {
  return typeof goods === "function" ? 0 : goods.length;
}

/** Until the socket takes more, or never will. */
function room(socket: Socket): Promise<void> {
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
