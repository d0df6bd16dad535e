// Builds the site of docs/ into site/dist, or serves it while you write: npm run docs:site, npm run docs:dev [-- <port>].
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

const [, , command, port = "5173"] = process.argv;
if (command === "dev") {
  const server = await createServer(here, { host: "127.0.0.1", port: Number(port) });
  await server.listen();
  server.printUrls();
  for (const folder of ["docs", "site/pages", "examples"]) watch(join(root, folder), { recursive: true }, layPages);
} else {
  await build(here);
  cpSync(join(laid, "public"), out, { recursive: true });
  writeForAssistants(out);
}
