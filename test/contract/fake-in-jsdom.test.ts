// @vitest-environment jsdom
import { runOnFake } from "./fake-suite.ts";

runOnFake("the fake server in jsdom");
