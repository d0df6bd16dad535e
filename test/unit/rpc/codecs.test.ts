import { expect, test } from "vitest";
import { cbor } from "../../../src/codec/cbor.ts";
import { type CodecLike, json } from "../../../src/codec/codec.ts";
import { compressed } from "../../../src/codec/compressed.ts";
import { msgpack } from "../../../src/codec/msgpack.ts";
import { rpc } from "../../../src/rpc/index.ts";
import { rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

useFakeTime();

const codecs: Readonly<Record<string, CodecLike<unknown, unknown>>> = {
  json: json(),
  msgpack: msgpack(),
  "msgpack with bigints": msgpack({ bigints: true }),
  cbor: cbor(),
  "compressed json": compressed(json(), { thresholdBytes: 0 }),
};

test.each(Object.entries(codecs))("calls go both ways as values of %s", async (_name, codec) => {
  const ends = [new FakeRpcConn(), new FakeRpcConn()] as const;
  const peers = ends.map((conn) =>
    rpc(conn, { handlers: { sum: (numbers: number[]) => numbers.reduce((sum, n) => sum + Number(n), 0) } }),
  );
  /** Carries what each end wrote to the other, until neither writes. */
  const exchange = async () => {
    for (let round = 0; round < 4; round++) {
      const both = ends.map(({ written }) => written.splice(0));
      for (const [i, frames] of both.entries()) {
        for (const frame of frames) ends[1 - i]?.deliverRaw(codec.unmarshal(codec.marshal(frame)));
      }
      await settleMicrotasks();
    }
  };
  const calls = peers.map((peer, i) => peer.call("sum", [1, 2, i]));
  const missing = peers[0]?.call("missing") as Promise<unknown>;
  await exchange();
  expect((await Promise.all(calls)).map(Number)).toEqual([3, 4]);
  expect(await rejection(missing)).toMatchObject({ name: "RpcError", code: -32601 });
});
