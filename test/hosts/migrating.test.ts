// The programs that docs/guides/migrating.md migrates: each does the same before and after, over drops and a slow server.
import { afterEach, describe, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { type Line, openLine, until } from "./line.ts";

interface Ticker {
  readonly prices: ReadonlyMap<string, number>;
  watch(symbol: string): void;
  quote(symbol: string): Promise<number>;
  refresh(): void;
  stop(): void;
}
interface Board {
  readonly strokes: readonly { author: string; points: readonly number[] }[];
  draw(points: readonly number[]): void;
  point(at: number): void;
  move(room: string): void;
  leave(): void;
}
type Log = (line: string) => void;

const load = async <T>(name: string): Promise<T> => (await import(`./migrating/${name}.mjs`)) as T;
const loadTicker = (name: string) =>
  load<{ startTicker(url: string, getToken: () => Promise<string>, log: Log): Ticker }>(name);
const loadBoard = (name: string) => load<{ openBoard(url: string, name: string, log: Log): Board }>(name);

let line: Line;
let stop: () => void = () => {};
/** The URLs that were dialed, and the texts that came. */
let dialed: string[] = [];
let texts: string[] = [];

afterEach(async () => {
  stop();
  await line.close();
});

async function serve(
  onMessage: (socket: WebSocket, data: Buffer, isBinary: boolean) => void,
): Promise<WebSocketServer> {
  dialed = [];
  texts = [];
  const sockets = new WebSocketServer({ noServer: true });
  line = await openLine((request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      dialed.push(request.url ?? "");
      accepted.on("error", () => {});
      accepted.on("message", (data: Buffer, isBinary) => {
        if (!isBinary) texts.push(String(data));
        onMessage(accepted, data, isBinary);
      });
    }),
  );
  return sockets;
}

describe.each(["ticker-before", "ticker-after"])("%s", (name) => {
  test("follows prices and asks for quotes over a drop, a refresh and the end", async () => {
    const { startTicker } = await loadTicker(name);
    const sockets = await serve((socket, data) => {
      const message = JSON.parse(String(data));
      if (message.type === "watch") socket.send(JSON.stringify({ type: "price", symbol: message.symbol, price: 12 }));
      if (message.type === "quote") socket.send(JSON.stringify({ type: "quote", id: message.id, price: 7 }));
    });
    const log: string[] = [];
    let token = 0;
    const ticker = startTicker(
      line.url,
      async () => `t${++token}`,
      (text) => log.push(text),
    );
    stop = () => ticker.stop();
    ticker.watch("ROPE");
    await until("the price is there", () => ticker.prices.get("ROPE") === 12);
    expect(await ticker.quote("TAR")).toBe(7);

    line.proxy.cut();
    await until("it is away", () => log.length === 3);
    const late = ticker.quote("TAR");
    await until("it is back", () => log.length === 5);
    expect(await late).toBe(7);

    ticker.refresh();
    await until("it is refreshed", () => log.filter((text) => text === "ROPE 12").length === 3);
    for (const socket of sockets.clients) socket.close(1012, "restart");
    await until("it is back after the restart", () => log.filter((text) => text === "ROPE 12").length === 4);
    ticker.stop();
    await until("it has stopped", () => log.at(-1) === "status: stopped");
    // The code of a connection that is left on purpose is the one thing that differs.
    expect(log.map((text) => text.replace(/away, (1000|1006)$/, "away"))).toEqual([
      "status: open, ticker.v1",
      "ROPE 12",
      "status: away",
      "status: open, ticker.v1",
      "ROPE 12",
      "status: away",
      "status: open, ticker.v1",
      "ROPE 12",
      "status: away, 1012",
      "status: open, ticker.v1",
      "ROPE 12",
      "status: stopped",
    ]);
    expect(dialed).toEqual([1, 2, 3, 4].map((n) => `/ticker?token=t${n}`));
  });
});

describe.each(["board-before", "board-after"])("%s", (name) => {
  test("shares strokes and cursors over a drop, a move to another room and the end", async () => {
    const { openBoard } = await loadBoard(name);
    await serve((socket, data, isBinary) => {
      if (isBinary) socket.send(data, { binary: true });
      else if (JSON.parse(String(data)).type === "cursor") {
        socket.send(JSON.stringify({ type: "cursor", name: "bob", at: 3 }));
      }
    });
    const log: string[] = [];
    const board = openBoard(line.url, "ann", (text) => log.push(text));
    stop = () => board.leave();
    board.draw([1, 2]);
    await until("the stroke is back", () => board.strokes.length === 1);
    board.point(9);
    await until("the cursor of the other is there", () => log.includes("bob at 3"));

    line.proxy.cut();
    await until("it is away", () => log.length === 4);
    board.point(9);
    board.draw([3]);
    await until("the stroke made while away is back", () => board.strokes.length === 2);

    board.move("attic");
    await until("it is in the other room", () => log.includes("in attic"));
    board.draw([4]);
    await until("the stroke is there", () => board.strokes.length === 1);
    board.leave();
    await until("it has left", () => log.at(-1) === "left");
    expect(log).toEqual([
      "in lobby",
      "ann drew 1-2",
      "bob at 3",
      "away: 1006",
      "in lobby",
      "ann drew 3",
      "in attic",
      "ann drew 4",
      "left",
    ]);
    expect(dialed).toEqual(["/board/lobby?name=ann", "/board/lobby?name=ann", "/board/attic?name=ann"]);
  });
});
