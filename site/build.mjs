// Builds the site of docs/ into site/dist, or serves it while you write: npm run docs:site, npm run docs:dev.
import { cpSync, watch } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, createServer } from "vitepress";
import { writeApi } from "./api.mjs";
import { writeForAssistants } from "./llms.mjs";
import { clearPages, laid, layPages, root } from "./pages.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = join(here, "dist");

clearPages();
layPages();
await writeApi(join(laid, "api"));

if (process.argv[2] === "dev") {
  const server = await createServer(here);
  await server.listen();
  server.printUrls();
  for (const folder of ["docs", "site/pages", "examples"]) watch(join(root, folder), { recursive: true }, layPages);
} else {
  await build(here);
  cpSync(join(laid, "public"), out, { recursive: true });
  writeForAssistants(out);
}
