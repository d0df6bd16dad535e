import { parseArgs } from "node:util";
import { report } from "./report.ts";

const USAGE = "Usage: npm run storm -- [--clients <1 to 5000000>] [--seed <0 to 4294967295>]";

try {
  const options = { clients: { type: "string" }, seed: { type: "string" } } as const;
  const { clients = "100000", seed = "1" } = parseArgs({ options }).values;
  const run = {
    clients: wholeNumber("clients", clients, 1, 5_000_000),
    seed: wholeNumber("seed", seed, 0, 2 ** 32 - 1),
  };
  for (const part of report(run)) console.log(`${part}\n`);
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exitCode = 1;
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new Error(`--${name} must be a whole number from ${min} to ${max}; got ${JSON.stringify(text)}.`);
}
