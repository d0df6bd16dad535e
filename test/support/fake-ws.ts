import { EventEmitter } from "node:events";
import type { WebSocketConstructor } from "../../src/index.ts";

/** Replaces the `ws` package: the class that Node alone has, moved by the test. */
export class FakeWs extends EventEmitter {
  static readonly made: FakeWs[] = [];
  readyState = 0;
  bufferedAmount = 0;
  protocol = "";
  extensions = "";
  pings = 0;
  pongs = 0;
  isPaused = false;
  isTerminated = false;
  readonly sent: unknown[] = [];
  readonly options: Record<string, unknown>;

  constructor(_url: string, _protocols: string[], options: Record<string, unknown>) {
    super();
    this.options = options;
    FakeWs.made.push(this);
  }

  static get class(): WebSocketConstructor {
    return FakeWs as unknown as WebSocketConstructor;
  }

  static get last(): FakeWs {
    const socket = FakeWs.made.at(-1);
    if (!socket) throw new Error("No socket was made.");
    return socket;
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  ping(): void {
    this.pings++;
  }

  pong(): void {
    this.pongs++;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  close(): void {
    this.readyState = 2;
  }

  /** As in `ws`: an error that nobody handles ends the process, so it must be handled for good. */
  terminate(): void {
    this.isTerminated = true;
    if (this.readyState === 0) queueMicrotask(() => this.emit("error", new Error("closed before it was established")));
    this.readyState = 3;
  }

  // Called by the test.

  open(): void {
    this.readyState = 1;
    this.emit("open");
  }

  message(text: string): void {
    this.emit("message", Buffer.from(text), false);
  }

  drop(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.emit("close", code, Buffer.from(reason));
  }

  /** The server answers the upgrade with an HTTP status. */
  refuse(statusCode: number, headers: Record<string, string> = {}): void {
    const request = { destroy() {} };
    this.emit("unexpected-response", request, { statusCode, headers, resume() {}, destroy() {} });
  }
}
