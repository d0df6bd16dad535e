// @vitest-environment happy-dom
import { runOnFake } from "./fake-suite.ts";

runOnFake("the fake server in happy-dom");
