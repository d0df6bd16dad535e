import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { workplace } from "./workplace.ts";

const { folder, remove } = workplace();
afterAll(remove);

test("hooks and stores run where there is no DOM at all, as in React Native", async () => {
  const { outputFiles, warnings } = await build({
    entryPoints: [join(folder, "native.tsx")],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "app",
    jsx: "automatic",
    conditions: ["browser"],
    mainFields: ["module", "main"],
    // The renderer's React, and not the one that the frameworks here have.
    alias: { react: join(import.meta.dirname, "../../node_modules/react") },
    define: { "process.env.NODE_ENV": '"development"' },
  });
  expect(warnings).toEqual([]);
  const complaints: unknown[] = [];
  const complain = (message: unknown) => {
    if (!String(message).includes("react-test-renderer is deprecated")) complaints.push(message);
  };
  const context = createContext({
    ...{ setTimeout, clearTimeout, setImmediate, clearImmediate, queueMicrotask, performance },
    // The channel is for act(), which only tests call.
    ...{ URL, TextEncoder, TextDecoder, AbortController, MessageChannel },
    console: { ...console, error: complain, warn: complain },
    navigator: { product: "ReactNative" },
  });
  runInContext("var window = globalThis, global = globalThis;", context);
  runInContext(outputFiles[0]?.text ?? "", context);
  const outcome = JSON.parse(JSON.stringify(await context.app.run()));
  expect(outcome).toEqual({ shown: ["0 connecting", "3 open", "3 waiting"], seen: [1, 2] });
  expect(complaints).toEqual([]);
});
