import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chat } from "./chat.ts";

/** As much of a WebSocket as a Conn needs, in the hands of the test. */
class FakeSocket {
  static readonly all: FakeSocket[] = [];
  onopen: ((event: object) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null = null;
  onerror: ((event: object) => void) | null = null;
  readonly protocol = "";
  readonly extensions = "";
  readonly bufferedAmount = 0;
  readonly sent: unknown[] = [];
  readyState = 0;
  binaryType: BinaryType = "blob";

  constructor() {
    FakeSocket.all.push(this);
  }
  send(data: unknown): void {
    this.sent.push(data);
  }
  close(code = 1000): void {
    this.end(code);
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.({});
  }
  hear(data: unknown): void {
    this.onmessage?.({ data: JSON.stringify(data) });
  }
  end(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason: "", wasClean: code !== 1006 });
  }
}

const last = () => FakeSocket.all.at(-1) as FakeSocket;
const tick = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("joins again after a drop, and says then what was said meanwhile", async () => {
  const { conn, lines, say } = chat("ws://fake.test/", { WebSocket: FakeSocket, backoff: () => 1_000 });
  await tick();
  last().open();
  await tick();
  last().hear("welcome");
  expect(lines).toEqual(["welcome"]);

  last().end(1006);
  expect(conn.state).toBe("waiting");
  say("said while away");
  await vi.advanceTimersByTimeAsync(999);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  last().open();
  await tick();
  expect(last().sent).toEqual(['"join ropes"', '"said while away"']);

  conn.close();
  await conn.closed;
  expect(vi.getTimerCount()).toBe(0);
});
