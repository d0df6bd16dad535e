// @vitest-environment jsdom
import { judgeFake } from "./fake-class.ts";

judgeFake("jsdom");
