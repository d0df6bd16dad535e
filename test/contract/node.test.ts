import { afterAll, beforeAll, describe, test } from "vitest";
import type { Env } from "./case-context.ts";
import { contract } from "./contract.ts";
import { type ContractServer, contractServer } from "./server.ts";

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const [name, resumeName]: string[] = ["tautline", "tautline/resume"];

describe.concurrent("Node", () => {
  let server: ContractServer;
  let env: Env;

  beforeAll(async () => {
    server = await contractServer();
    const [tautline, { resume }] = await Promise.all([import(name as string), import(resumeName as string)]);
    env = { ...server, tautline, resume, isNode: true, knowsStatus: true, origin: `http://${server.base}` };
  });
  afterAll(() => server.close());

  for (const { name, run } of contract) test(name, () => run(env));
});
