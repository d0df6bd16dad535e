import { join } from "node:path";
import ts from "typescript";
import { afterAll, expect, test } from "vitest";
import { COMPILED_BESIDE, complaintsOf } from "../support/compile-examples.ts";
import { examplesOf } from "../support/examples.ts";
import { workplace } from "./workplace.ts";

const { folder, remove } = workplace();
afterAll(remove);

test("every sample of the guides for a front end compiles beside its framework, with its types", () => {
  const samples = examplesOf(join(import.meta.dirname, "../..")).filter(({ notRun = "" }) =>
    COMPILED_BESIDE.frontends.test(notRun),
  );
  expect(samples.length).toBeGreaterThanOrEqual(6);
  // As the templates of Vite and Next.js set the compiler up. `live.ts` is the page's neighbour in the guide.
  const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
  const more = { ...bundler, checkJs: true, allowImportingTsExtensions: true, types: ["vite/client", "node"] };
  expect(complaintsOf(samples, folder, more)).toEqual([]);
});
