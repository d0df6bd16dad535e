import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Payload } from "../../src/index.ts";
import { handler } from "../../src/server/index.ts";
import { freePort } from "./free-port.ts";

/** Replaces example.com, and the reader's own server at port 8080, while examples run. */
export interface ExampleSite {
  /** The code with addresses that are there. */
  readonly localized: (code: string) => Promise<string>;
  close(): Promise<void>;
}

/** A request in JSON is answered under its id, a ping with a pong; whatever else is heard is said again. */
function answer(payload: Payload): Payload {
  try {
    const { id, type, hello } = JSON.parse(String(payload));
    if (type === "ping") return '{"type":"pong"}';
    if (hello !== undefined) return JSON.stringify({ said: { hello } });
    if (id !== undefined) return JSON.stringify({ id, result: "an answer" });
  } catch {
    // No JSON: an echo.
  }
  return payload;
}

export async function exampleSite(): Promise<ExampleSite> {
  const server = createServer((_request, response) => response.end("a-token"));
  const echo = handler((conn) => conn.on("message", (payload) => conn.send(answer(payload))), {
    protocols: ["chat"],
    origins: () => true,
    resume: {},
  });
  server.on("upgrade", echo.upgrade);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const own = `127.0.0.1:${port}`;
  return {
    async localized(code) {
      // An example that listens at 8080 gets a port of its own; one that only dials means the server of its page.
      const at8080 = /\b(listen\(8080|port: 8080)/.test(code) ? `127.0.0.1:${await freePort()}` : own;
      return code
        .replace(/\b(ws|http)s?:\/\/(?:[a-z]+\.)?example\.com\b/g, `$1://${own}`)
        .replaceAll("127.0.0.1:8080", at8080)
        .replace(/\b(listen\(|port: )8080\b/g, `$1${at8080.split(":")[1]}`);
    },
    async close() {
      server.close();
      await echo.shutdown({ timeoutMs: 0 });
      server.closeAllConnections();
    },
  };
}
