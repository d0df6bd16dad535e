import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { Conn } from "../../../../src/index.ts";
import { resume } from "../../../../src/resume/client/index.ts";

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server that answers an upgrade with `status` where it offers anything, and accepts it otherwise. */
async function serveWithoutOffers(status: number) {
  const offers: (string | undefined)[] = [];
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer().on("upgrade", (request, socket, head) => {
    const offer = request.headers["sec-websocket-protocol"];
    offers.push(offer);
    if (offer === undefined) sockets.handleUpgrade(request, socket, head, () => {});
    else socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n\r\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const client of sockets.clients) client.terminate();
    server.close();
  });
  return { offers, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

test.each([400, 406, 415, 422, 426, 431])(
  "in Node a server that answers the offer with %d is dialed again without it",
  async (status) => {
    const { offers, url } = await serveWithoutOffers(status);
    const conn = new Conn(url, { resume: resume() });
    await conn.ready();
    expect(offers).toEqual(["resume.v1", undefined]);
    await conn.close();
  },
);
