// Measures the memory that many clients leave on a server, in a process of its own: prints bytes of heap before and after as JSON.
// Sockets are made of memory: a million real ones would take their time, and what is measured is not theirs.
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import type { WebSocket } from "ws";
import type { Conn } from "../../src/core/conn.ts";
import { createConn } from "../../src/core/create-conn.ts";
import { decode, encode } from "../../src/resume/protocol/control.ts";
import { SessionRegistry } from "../../src/resume/server/session-registry.ts";

/** An accepted socket, of which only what a session touches is there. */
class Accepted extends EventEmitter {
  readyState = 1;
  readonly bufferedAmount = 0;
  readonly protocol = "resume.v1";
  readonly extensions = "";
  greeting = "";

  send(data: string): void {
    this.greeting ||= data;
  }

  close(code: number): void {
    this.end(code);
  }

  terminate(): void {
    this.end(1006);
  }

  ping(): void {}
  pong(): void {}

  message(text: string): void {
    this.emit("message", Buffer.from(text), false);
  }

  end(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.emit("close", code, Buffer.alloc(0));
  }
}

const [, , kind, given] = process.argv;
const count = Number(given);
const TTL_MS = 500;

const conns = new Set<Conn<never, never>>();
const sessions = new SessionRegistry({ ttlMs: TTL_MS, maxSessions: 1_000 }, 2 ** 20, ({ source, resume, upgrade }) => {
  const conn = createConn<never, never>("ws://x.test/", { resume, lifecycle: false, heartbeat: false }, source);
  conns.add(conn);
  conn.closed.then(() => conns.delete(conn));
  const { request, principal } = upgrade;
  return Object.assign(conn, { request, principal });
});
const request = { headers: {}, rawHeaders: [] as string[] } as IncomingMessage;

function arrive(): Accepted {
  const accepted = new Accepted();
  const upgrade = { url: "ws://x.test/", request, socket: {} as Duplex, principal: undefined };
  sessions.greet(accepted as unknown as WebSocket, upgrade, { name: "resume.v1", protocol: "", app: 0 });
  return accepted;
}

/** Resolves when a Conn that has its socket is open, which takes some microtasks. */
async function settled(): Promise<void> {
  for (let n = 0; n < 20; n++) await null;
}

const lives: Record<string, (accepted: Accepted) => Promise<void> | void> = {
  /** Takes its session, says something, is gone without a word, comes back and ends well. */
  async short(accepted) {
    accepted.message(encode({ type: "N", win: 1_000 }));
    accepted.message("hello");
    await settled();
    const greeting = decode(accepted.greeting);
    accepted.end(1006);
    if (greeting?.type !== "H") throw new Error("no greeting");
    const { sid, secret } = greeting;
    const again = arrive();
    again.message(encode({ type: "R", sid, secret, gen: 1, rx: 0, win: 1_000 }));
    await settled();
    again.end(1000);
  },
  /** Never says which session it wants. */
  silent(accepted) {
    accepted.end(1006);
  },
};

async function live(times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await lives[kind as string]?.(arrive());
    if (n % 500 === 0) await pause(0);
  }
}

/** The rest after all timeouts. */
async function heap(): Promise<number> {
  sessions.clear();
  for (let wait = 0; conns.size > 0 && wait < 100; wait++) await pause(TTL_MS);
  await pause(1_500);
  for (let n = 0; n < 5; n++) {
    globalThis.gc?.();
    await pause(10);
  }
  return process.memoryUsage().heapUsed;
}

await live(20_000);
const before = await heap();
await live(count);
const after = await heap();
console.log(JSON.stringify({ before, after, left: conns.size }));
