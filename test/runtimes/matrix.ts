import type { Result } from "../contract/contract.ts";

/** One run of the contract. */
interface Run {
  readonly version: string;
  readonly results: readonly Result[];
}

const HEAD = ["runtime", "version", "way", "cases", "passed", "failed", "s"];

/** Which runtimes ran, and how they did. */
export class Matrix {
  readonly #rows: string[][] = [];
  #passed = 0;
  #failed = 0;
  #missing = 0;

  get failed(): number {
    return this.#failed;
  }

  /** Adds a row by `act`, which gives undefined where the runtime is missing: a failure in CI, as in scripts/test.mjs. */
  async run(name: string, way: string, advice: string, act: () => Promise<Run | undefined>): Promise<void> {
    const start = performance.now();
    const run = await act().catch((error: unknown) => error as Error);
    const time = ((performance.now() - start) / 1000).toFixed(1);
    if (run === undefined) {
      this.#missing++;
      if (process.env.CI === "true") this.#failed++;
      this.#add(name, "missing", way, "0", "0", process.env.CI === "true" ? "1" : "0", time);
      console.log(`${name}: none found. Run: ${advice}`);
      return;
    }
    if (run instanceof Error) {
      this.#failed++;
      this.#add(name, "?", way, "0", "0", "1", time);
      console.log(`${name}, ${way}: ${run.stack}`);
      return;
    }
    const failures = run.results.filter(({ failure }) => failure !== "");
    const passed = run.results.length - failures.length;
    this.#passed += passed;
    this.#failed += failures.length;
    this.#add(name, run.version, way, String(run.results.length), String(passed), String(failures.length), time);
    for (const { name: fact, failure } of failures) console.log(`  ✗ ${fact}\n    ${failure.replace(/\n/g, "\n    ")}`);
  }

  #add(...row: string[]): void {
    this.#rows.push(row);
    console.log(row.join(" | "));
  }

  /** The whole, in Markdown. */
  table(): string {
    const widths = HEAD.map((title, i) => Math.max(title.length, ...this.#rows.map((row) => row[i]?.length ?? 0)));
    const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
    return [line(HEAD), line(widths.map((width) => "-".repeat(width))), ...this.#rows.map(line)].join("\n");
  }

  summary(): string {
    const missing = this.#missing ? `, ${this.#missing} missing` : "";
    return `${this.#passed} passed, ${this.#failed} failed${missing}`;
  }
}
