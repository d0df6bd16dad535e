import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished, vi } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const START_MS = 10_000;

/** A Node program in a process of its own, killed when the test is over. */
export class Program {
  /** The printed lines, errors included. */
  readonly lines: string[] = [];
  /** The exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcessWithoutNullStreams;

  /** Runs a file below the root with its arguments; `-` runs `source`, a module. */
  constructor(args: readonly string[], source = "") {
    this.#child = spawn(process.execPath, args, { cwd: ROOT, stdio: "pipe" });
    this.ended = once(this.#child, "exit").then(([code, signal]) => code ?? signal);
    this.#child.stdin.end(source);
    for (const input of [this.#child.stdout, this.#child.stderr]) {
      createInterface(input).on("line", (line) => this.lines.push(line));
    }
    onTestFinished(() => this.end("SIGKILL").then(() => {}));
  }

  linesLike(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line));
  }

  /** The first line like `pattern`, once it is there. */
  line(pattern: RegExp, timeout = START_MS): Promise<string> {
    return vi.waitFor(
      () => {
        const line = this.lines.find((candidate) => pattern.test(candidate));
        if (line === undefined) throw new Error(`No line like ${pattern} in:\n${this.lines.join("\n")}`);
        return line;
      },
      { timeout, interval: 20 },
    );
  }

  /** Sends `signal`, which does nothing to a program that has ended. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    this.#child.kill(signal);
    return this.ended;
  }
}

/** The demo's server, ready: with its address, and a port to start it on again. */
export async function startDemo(
  port = 0,
  ...more: readonly string[]
): Promise<Program & { readonly url: string; readonly port: number }> {
  const program = new Program(["demo/start.mjs", "--port", String(port), "--every", "300", ...more]);
  const url = (await program.line(/^The demo is at/)).match(/http\S+/)?.[0] ?? "";
  return Object.assign(program, { url, port: Number(new URL(url).port) });
}
