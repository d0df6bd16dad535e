import { Queue } from "../base/queue.ts";
import type { IncomingRequest } from "./incoming-request.ts";

/** Bytes that a value takes besides its content, so that many empty ones are bounded too. */
const OVERHEAD_BYTES = 64;
/** Bytes that a number, a boolean or null takes. */
const SCALAR_BYTES = 8;

/** Requests that wait for a place, in order of arrival, bounded by number and by bytes. */
export class RequestQueue {
  readonly #maxRequests: number;
  readonly #maxBytes: number;
  #waiting = new Queue<{ readonly request: IncomingRequest; readonly bytes: number }>();
  #bytes = 0;

  constructor(maxRequests: number, maxBytes: number) {
    this.#maxRequests = maxRequests;
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get isFull(): boolean {
    return this.length >= this.#maxRequests || this.#bytes >= this.#maxBytes;
  }

  push(request: IncomingRequest): void {
    const bytes = estimateBytes(request.frame, this.#maxBytes);
    this.#bytes += bytes;
    this.#waiting.push({ request, bytes });
  }

  shift(): IncomingRequest | undefined {
    const next = this.#waiting.shift();
    this.#bytes -= next?.bytes ?? 0;
    return next?.request;
  }

  clear(): void {
    this.#waiting = new Queue();
    this.#bytes = 0;
  }
}

/**
 * Estimates the memory that a decoded value takes, in bytes; stops counting at `limit`. Neither recurses nor copies,
 * because the peer decides how deep and how long a value is.
 */
export function estimateBytes(value: unknown, limit: number): number {
  const left = [value];
  let bytes = 0;
  while (left.length > 0 && bytes < limit) {
    const next = left.pop();
    if (typeof next === "string") bytes += OVERHEAD_BYTES / 4 + next.length;
    else if (typeof next !== "object" || next === null) bytes += SCALAR_BYTES;
    else if (ArrayBuffer.isView(next)) bytes += OVERHEAD_BYTES + next.byteLength;
    else {
      bytes += OVERHEAD_BYTES;
      for (const key in next) {
        if (bytes >= limit) break;
        bytes += SCALAR_BYTES + key.length;
        left.push((next as { [key: string]: unknown })[key]);
      }
    }
  }
  return bytes;
}
