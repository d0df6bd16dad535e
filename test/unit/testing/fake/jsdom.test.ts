// @vitest-environment jsdom
import { testPage } from "./page-cases.ts";

testPage("jsdom");
