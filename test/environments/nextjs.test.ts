import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { json } from "../../src/index.ts";
import { handle, handler } from "../../src/server/index.ts";
import { consumer } from "../consumers/packed.ts";
import { freePort } from "../support/free-port.ts";

const MODULES = join(import.meta.dirname, "node_modules");
// Beside the modules that it needs, because the bundlers follow no link out of the app.
const { folder, remove } = consumer({ copies: true, within: import.meta.dirname });
afterAll(remove);

const ROUTE = `import { Conn, json } from "tautline";
export const dynamic = "force-dynamic";
export async function GET(request) {
  const url = new URL(request.url).searchParams.get("url");
  const conn = new Conn(url, { codec: json(), connectTimeoutMs: 5_000, maxRetries: 0 });
  const errors = [];
  conn.on("error", ({ code, message }) => errors.push(code + ": " + message));
  try {
    const echoes = [];
    for (const length of [10, 100, 70_000]) {
      await conn.send("x".repeat(length));
      echoes.push((await conn.receive()).length);
    }
    return Response.json({ echoes, errors });
  } catch (error) {
    return Response.json({ error: String(error), errors });
  } finally {
    await conn.close();
  }
}
`;

test.each(["webpack", "turbopack"])(
  "a production build of Next.js by %s sends messages of every size",
  async (bundler) => {
    // One React for the app and Next.js, whichever the package was tested with.
    rmSync(join(folder, "node_modules/react"), { recursive: true, force: true });
    mkdirSync(join(folder, "app/echo"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "name": "app", "private": true }\n');
    writeFileSync(
      join(folder, "app/layout.js"),
      "export default ({ children }) => <html><body>{children}</body></html>;\n",
    );
    writeFileSync(join(folder, "app/page.js"), "export default () => <p>page</p>;\n");
    writeFileSync(join(folder, "app/echo/route.js"), ROUTE);
    const next = join(MODULES, "next/dist/bin/next");
    const env = { ...process.env, NODE_ENV: "production" as const, NEXT_TELEMETRY_DISABLED: "1" };
    execFileSync(process.execPath, [next, "build", `--${bundler}`], { cwd: folder, env, stdio: "pipe" });

    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const echo = handler<string>(
      async (conn) => {
        for await (const text of conn) await conn.send(text);
      },
      { codec: json() },
    );
    handle(server, "/echo", echo);
    const port = await freePort();
    const app = spawn(process.execPath, [next, "start", "-p", String(port), "-H", "127.0.0.1"], {
      cwd: folder,
      env,
      stdio: "pipe",
    });
    try {
      await new Promise<void>((resolve) => app.stdout.on("data", (text) => /Ready/.test(String(text)) && resolve()));
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/echo`;
      const response = await fetch(`http://127.0.0.1:${port}/echo?url=${encodeURIComponent(url)}`);
      expect(await response.json()).toEqual({ echoes: [10, 100, 70_000], errors: [] });
    } finally {
      app.kill();
      await echo.shutdown();
      server.close();
    }
  },
);
