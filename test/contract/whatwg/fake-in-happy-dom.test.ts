// @vitest-environment happy-dom
import { judgeFake } from "./fake-class.ts";

judgeFake("happy-dom");
