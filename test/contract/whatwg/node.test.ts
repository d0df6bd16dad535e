import { beforeAll, describe } from "vitest";
import { contractServer } from "../server.ts";
import { runSteps, type StepResult } from "./cases.ts";
import { judge, OURS } from "./differences.ts";

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const BUILT: string = "tautline/websocket";

describe("webSocket() over ws in Node", () => {
  let results: readonly StepResult[] = [];

  beforeAll(async () => {
    const server = await contractServer();
    const { webSocket } = await import(BUILT);
    results = await runSteps({ ...server, WebSocket: webSocket() });
    await server.close();
  }, 60_000);

  judge(() => results, OURS);
});
