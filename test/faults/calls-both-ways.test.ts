import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { json } from "../../src/codec/codec.ts";
import { Conn } from "../../src/core/conn.ts";
import { resume } from "../../src/resume/client/index.ts";
import { type Peer, type RpcConn, rpc } from "../../src/rpc/index.ts";
import { handle, handler } from "../../src/server/index.ts";

test.for([false, true])(
  "two ends that call each other at their limits do not stand still, with resume: %s",
  async (isResumed, context) => {
    interface Both {
      ask(params: { text: string }): string;
      leaf(params: { text: string }): string;
    }
    const bounds = { maxHandlers: 4, maxWaiting: 16, timeoutMs: 20_000 };
    const makePeer = (conn: RpcConn): Peer<Both, Both> => {
      const peer: Peer<Both, Both> = rpc<Both, Both>(conn, {
        ...bounds,
        // At the limits a handler may find no room for its own call.
        onError: () => {},
        handlers: {
          ask: async ({ text }) => (await peer.call("leaf", { text })).toUpperCase(),
          leaf: async ({ text }) => {
            await new Promise(setImmediate);
            return text;
          },
        },
      });
      return peer;
    };
    /** Asks the other end up to 1,000 times at once, far above its limits; a busy end is asked again. */
    const askAll = async (peer: Peer<Both, Both>) => {
      let left = isResumed ? 500 : 5_000;
      const askOn = async () => {
        while (left-- > 0) {
          const text = "x".repeat(2_000);
          for (;;) {
            try {
              expect(await peer.call("ask", { text })).toBe(text.toUpperCase());
              break;
            } catch (error) {
              if (![-32001, -32603, "unavailable"].includes((error as { code: number | string }).code)) throw error;
              await new Promise((resolve) => setTimeout(resolve, 5));
            }
          }
        }
      };
      await Promise.all(Array.from({ length: Math.min(left, 1_000) }, askOn));
    };
    const server = createServer();
    let onServed: (peer: Peer<Both, Both>) => void = () => {};
    const served = new Promise<Peer<Both, Both>>((resolve) => {
      onServed = resolve;
    });
    const ws = handler(
      (conn) => {
        const peer = makePeer(conn);
        onServed(peer);
        return peer.closed;
      },
      { codec: json(), outbox: { highWaterMark: 4_096 }, onError: () => {}, ...(isResumed && { resume: {} }) },
    );
    handle(server, "/", ws);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const conn = new Conn<unknown, unknown>(url, {
      codec: json(),
      outbox: { highWaterMark: 4_096 },
      ...(isResumed && { resume: resume() }),
    });
    context.onTestFinished(async () => {
      await conn.close();
      server.close();
    });
    const ours = askAll(makePeer(conn));
    const theirs = askAll(await served);
    await Promise.all([ours, theirs]);
  },
);
