import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { Conn, json } from "../../src/index.ts";
import { type HandlerContext, type Peer, rpc } from "../../src/rpc/index.ts";
import { handle, handler } from "../../src/server/index.ts";
import { site } from "../support/ws-server.ts";

// Peers that know nothing of tautline: Debian's python3-websockets, and golang.org/x/net/websocket in GOPATH mode.

const PYTHON = "/usr/bin/python3";
const GO_ENV = { ...process.env, GOFLAGS: "-mod=mod", GO111MODULE: "off", GOPATH: "/usr/share/gocode" };
const here = import.meta.dirname;

interface ForeignServer {
  sum(params: readonly number[]): number;
  slow(params: { n: number }): void;
  ask(params: { what: string }): boolean;
  missing(): void;
  bye(): void;
}
interface Client {
  confirm(params: { text: string }): boolean;
  cancelled(params: { n: number }): void;
}

/** Runs a program for the length of a test, and returns the first line that it prints. */
async function firstLine(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  for await (const line of createInterface(child.stdout)) return line;
  throw new Error(`${command} ${args.join(" ")} printed nothing; is it installed? See .ci/run for the packages.`);
}

function connect(port: string): { conn: Conn<unknown, unknown>; peer: Peer<ForeignServer, Client> } {
  const conn = new Conn<unknown, unknown>(`ws://127.0.0.1:${port}/`, { codec: json() });
  onTestFinished(async () => {
    await conn.close();
  });
  const peer = rpc<ForeignServer, Client>(conn, { handlers: { confirm: ({ text }) => text === "sure?" } });
  return { conn, peer };
}

/** Checks that a server does what every server must do for a client of ours. */
async function checkServer({ peer }: ReturnType<typeof connect>): Promise<void> {
  const sums = Array.from({ length: 100 }, (_, n) => peer.call("sum", [n, 1]));
  expect(await Promise.all(sums)).toEqual(sums.map((_, n) => n + 1));
  // Lengths of all three forms of a header, in frames that we mask ourselves.
  for (const count of [20, 2_100, 40_000, 400_000]) {
    expect(
      await peer.call(
        "sum",
        Array.from({ length: count }, () => 1),
      ),
    ).toBe(count);
  }
  await expect(peer.call("missing")).rejects.toMatchObject({ name: "RpcError", code: -32601 });

  const cancelled = new Promise<unknown>((resolve) => peer.on("cancelled", resolve));
  await expect(peer.call("slow", { n: 1 }, { timeoutMs: 200 })).rejects.toMatchObject({ code: "timeout" });
  await cancelled;
  expect(await peer.call("sum", [1, 2])).toBe(3);
}

test("a server in Python answers, cancels, and calls back", async () => {
  const client = connect(await firstLine(PYTHON, [join(here, "server.py")]));
  await checkServer(client);
  expect(await client.peer.call("ask", { what: "sure" })).toBe(true);
  expect(await client.peer.call("ask", { what: "really" })).toBe(false);
  await expect(client.peer.call("sum", ["x"] as never)).rejects.toMatchObject({ code: 1, message: "TypeError" });
  const pending = client.peer.call("slow", { n: 2 });
  client.peer.notify("bye");
  await expect(pending).rejects.toMatchObject({ code: "interrupted" });
});

test("a server in Go answers and cancels", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tautline-go-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "server");
  const build = spawn("go", ["build", "-o", program, join(here, "server.go")], { env: GO_ENV, stdio: "inherit" });
  expect(await new Promise((resolve) => build.once("close", resolve))).toBe(0);
  await checkServer(connect(await firstLine(program, [])));
});

test("a client in Python calls, batches, cancels, and is called", async () => {
  const notes: unknown[] = [];
  const ws = handler(
    (conn) => {
      const peer = rpc<Client>(conn, {
        handlers: {
          sum: (params: number[]) => params.reduce((sum, n) => sum + n, 0),
          fail: () => {
            throw new Error("a secret");
          },
          slow: (_params: unknown, { signal }: HandlerContext) =>
            new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
          ask: ({ what }: { what: string }) => peer.call("confirm", { text: `${what}?` }),
        },
        onError: () => {},
      });
      peer.on("note", (params) => notes.push(params));
      return peer.closed;
    },
    { codec: json() },
  );
  const { url } = await site((server) => handle(server, "/ws", ws));
  const seen = JSON.parse(await firstLine(PYTHON, [join(here, "client.py"), url()]));
  const error = (id: unknown, code: number, message: string) => ({ jsonrpc: "2.0", id, error: { code, message } });
  expect(seen).toEqual({
    sum: { jsonrpc: "2.0", id: "s", result: 6 },
    missing: error(2.5, -32601, "The method is unknown."),
    fail: error(3, -32603, "The handler failed."),
    invalid: error(null, -32600, "The request is not valid."),
    batch: [
      { jsonrpc: "2.0", id: 1, result: 4 },
      { jsonrpc: "2.0", id: 2, result: 5 },
    ],
    cancelled: error(7, -32800, "The request was cancelled."),
    question: { jsonrpc: "2.0", id: expect.any(Number), method: "confirm", params: { text: "sure?" } },
    asked: { jsonrpc: "2.0", id: 8, result: true },
  });
  expect(notes).toEqual([{ text: "in a batch" }]);
});
