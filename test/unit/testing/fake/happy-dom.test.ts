// @vitest-environment happy-dom
import { testPage } from "./page-cases.ts";

testPage("happy-dom");
