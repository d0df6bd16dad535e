import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "vitest";
import { json } from "../../src/codec/codec.ts";
import { exponential } from "../../src/core/backoff.ts";
import { Conn } from "../../src/core/conn.ts";
import { resume } from "../../src/resume/client/index.ts";
import { handle, handler, type ServerConn } from "../../src/server/index.ts";
import { type FaultProxy, faultProxy } from "../../src/testing/fault-proxy.ts";

/** The heartbeat of both ends. */
export const HEARTBEAT = { intervalMs: 200, timeoutMs: 300 };

/** Creates a Conn through `proxy` that soon notices a break and soon dials again. */
export function connThrough<In, Out>(proxy: FaultProxy, isResumed: boolean): Conn<In, Out> {
  return new Conn<In, Out>(`ws://127.0.0.1:${proxy.port}/`, {
    codec: json<In, Out>(),
    heartbeat: HEARTBEAT,
    connectTimeoutMs: 1_000,
    backoff: exponential({ firstMs: 20, maxMs: 100 }),
    ...(isResumed && { resume: resume() }),
  });
}

/** A Conn to a server of its own, through a proxy that breaks. */
export interface ProxiedConn {
  readonly proxy: FaultProxy;
  readonly conn: Conn<unknown, unknown>;
  /** Ends the server without a word, and starts another on the same port, which knows nothing of sessions. */
  restart(whileDown?: () => Promise<void>): Promise<void>;
}

/** Starts a server that gives each Conn to `serve`, and a client of it. Both end with the test. */
export async function startProxiedConn(
  { onTestFinished }: TestContext,
  isResumed: boolean,
  serve: (conn: ServerConn<unknown, unknown>) => Promise<unknown>,
): Promise<ProxiedConn> {
  const listen = async (port: number): Promise<Server> => {
    const server = createServer();
    const options = { codec: json(), heartbeat: HEARTBEAT, ...(isResumed && { resume: {} }), onError: () => {} };
    handle(server, "/", handler(serve, options));
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return server;
  };
  const end = (server: Server) => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const proxy = await faultProxy(port);
  const conn = connThrough<unknown, unknown>(proxy, isResumed);
  onTestFinished(async () => {
    await conn.close();
    await proxy.close();
    await end(server);
  });
  return {
    proxy,
    conn,
    async restart(whileDown) {
      await proxy.refuse();
      proxy.reset();
      await end(server);
      await whileDown?.();
      server = await listen(port);
      await proxy.heal();
    },
  };
}
