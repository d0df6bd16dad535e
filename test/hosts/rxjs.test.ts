import { afterEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { DEAD_AFTER_MS, HEARTBEAT, type Line, openLine, SLACK_MS, until } from "./line.ts";
import { rxjs, tautline } from "./packages.ts";

const { webSocket: subject, retry } = rxjs();

let line: Line;
let stop = () => {};
/** Connections so far. */
let opened = 0;

afterEach(async () => {
  stop();
  await line.close();
});

async function serveEcho(): Promise<Line> {
  opened = 0;
  const sockets = new WebSocketServer({ noServer: true });
  line = await openLine((request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      opened++;
      accepted.on("error", () => {});
      accepted.on("message", (data) => accepted.send(String(data)));
    }),
  );
  return line;
}

test('with "close" retry() dials again after a drop', async () => {
  const { webSocket } = await tautline();
  const { url, proxy } = await serveEcho();
  const socket = subject<number>({ url, WebSocketCtor: webSocket() });
  const received: number[] = [];
  const subscription = socket.pipe(retry({ delay: 10 })).subscribe({ next: (value: number) => received.push(value) });
  stop = () => subscription.unsubscribe();
  socket.next(1);
  await until("the first is back", () => received.length === 1);
  proxy.cut();
  await until("it dials again", () => opened === 2);
  socket.next(2);
  await until("the second is back", () => received.length === 2);
  expect(received).toEqual([1, 2]);
});

test('with "close" a black hole is an error after the time of the heartbeat', async () => {
  const { webSocket } = await tautline();
  const { url, proxy } = await serveEcho();
  const socket = subject<number>({ url, WebSocketCtor: webSocket({ heartbeat: HEARTBEAT }) });
  let failedAt = 0;
  let isOpen = false;
  const subscription = socket.pipe().subscribe({
    next() {
      isOpen = true;
    },
    error() {
      failedAt = performance.now();
    },
  });
  stop = () => subscription.unsubscribe();
  socket.next(1);
  await until("it is open", () => isOpen);
  const start = performance.now();
  proxy.blackhole();
  await until("it is known", () => failedAt > 0);
  expect(failedAt - start).toBeLessThan(DEAD_AFTER_MS + SLACK_MS);
});

test("unsubscribing closes the connection cleanly, and completes nothing twice", async () => {
  const { webSocket } = await tautline();
  const { url } = await serveEcho();
  const closes: { code: number; wasClean: boolean }[] = [];
  const socket = subject<number>({
    url,
    WebSocketCtor: webSocket(),
    closeObserver: { next: ({ code, wasClean }: CloseEvent) => closes.push({ code, wasClean }) },
  });
  const received: number[] = [];
  const subscription = socket.pipe().subscribe({ next: (value: number) => received.push(value) });
  socket.next(1);
  await until("it is open", () => received.length === 1);
  subscription.unsubscribe();
  await until("it is closed", () => closes.length > 0);
  expect(closes).toEqual([{ code: 1000, wasClean: true }]);
  expect(opened).toBe(1);
});
