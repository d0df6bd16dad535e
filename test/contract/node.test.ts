import { afterAll, beforeAll, describe, test } from "vitest";
import { contract } from "./contract.ts";
import { type ContractServer, contractServer } from "./server.ts";
import type { Env } from "./stage.ts";

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const name: string = "tautline";

describe.concurrent("Node", () => {
  let server: ContractServer;
  let env: Env;

  beforeAll(async () => {
    server = await contractServer();
    env = { ...server, tautline: await import(name), isNode: true, knowsStatus: true };
  });
  afterAll(() => server.close());

  for (const { name, run } of contract) test(name, () => run(env));
});
