import { beforeAll, describe, test } from "vitest";
import { type ServingEnv, serving } from "./serving.ts";

// By names that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const NAMES: string[] = ["tautline", "tautline/resume", "tautline/server", "tautline/testing"];

describe.concurrent("a server in Node", () => {
  let env: ServingEnv;

  beforeAll(async () => {
    const [tautline, { resume }, server, { faultProxy }] = await Promise.all(NAMES.map((name) => import(name)));
    env = { tautline, resume, server, faultProxy };
  });

  for (const { name, run } of serving) test(name, () => run(env));
});
