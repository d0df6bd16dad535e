import { expect, test } from "vitest";
import { type Codec, json } from "../../../src/codec/codec.ts";
import { rpc } from "../../../src/rpc/index.ts";
import { store } from "../../../src/store/index.ts";
import { openConn, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeSource } from "./fake-source.ts";

useFakeTime();

interface Events {
  price(params: { readonly price: number }): void;
}

test("a store follows a notification of an rpc peer, through an object of one line", async () => {
  const codec: Codec<unknown> = json<unknown>();
  const { conn, socket } = await openConn({ codec });
  const peer = rpc<object, Events>(conn);
  const source = {
    on: (
      _event: "message",
      listener: (params: { readonly price: number }) => void,
      options?: { signal?: AbortSignal },
    ) => peer.on("price", listener, options),
  };
  const total = store(source, 0, (sum, { price }: { readonly price: number }) => sum + price);
  for (const price of [1, 2]) {
    socket.message(JSON.stringify({ jsonrpc: "2.0", method: "price", params: { price } }));
  }
  await settleMicrotasks();
  expect(total.get()).toBe(3);
});

test("a store takes the entries of a channel, each with its position, and knows their type", async () => {
  type Entry = { readonly data: string; readonly position: string };
  const channel = new FakeSource<Entry>();
  const last = store(channel, "", (_now, { data, position }) => `${data} at ${position}`);
  channel.emit({ data: "hello", position: "2x-k7f3q" });
  await settleMicrotasks();
  expect(last.get()).toBe("hello at 2x-k7f3q");
});
