// npm run diagram: writes the life of a Conn, as src/core/state-machine.ts has it, into docs/internals/architecture.md.
import { readFileSync, writeFileSync } from "node:fs";
import { withDiagram } from "./state-diagram.ts";

const PAGE = "docs/internals/architecture.md";
writeFileSync(PAGE, withDiagram(readFileSync(PAGE, "utf8")));
