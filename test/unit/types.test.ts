import { expect, expectTypeOf, test } from "vitest";
import { bytes, Codec, Conn, type ConnError, type ConnEvents, json, type Payload, text } from "../../src/index.ts";
import { createConn, useFakeTime } from "../support/conn.ts";

// These tests address the compiler: `npm run types` fails where it is not so.

interface Product {
  name: string;
}
type Command = { type: "watch"; top: number };

useFakeTime();

const idle = <In, Out>(codec: Codec<In, Out>) => createConn({ codec, autoConnect: false }).conn;

test("without a codec, payloads go both ways", () => {
  const { conn } = createConn({ autoConnect: false });
  expectTypeOf(conn).toEqualTypeOf<Conn<Payload, Payload>>();
  expectTypeOf(conn.send).parameter(0).toEqualTypeOf<Payload>();
  // @ts-expect-error a number is no payload
  expect(() => conn.send(5)).toThrow();
});

test("a codec's types reach message, receive, iteration and send", () => {
  const conn = idle(json<Product[], Command>());
  expectTypeOf(conn).toEqualTypeOf<Conn<Product[], Command>>();
  conn.on("message", (products) => expectTypeOf(products).toEqualTypeOf<Product[]>());
  expectTypeOf(() => conn.receive()).returns.resolves.toEqualTypeOf<Product[]>();
  expectTypeOf(conn[Symbol.asyncIterator]().next).returns.resolves.toExtend<IteratorResult<Product[]>>();
  expectTypeOf(conn.send).parameter(0).toEqualTypeOf<Command>();
  expectTypeOf(conn.send).returns.resolves.toBeVoid();
});

test("without type arguments json() gives unknown, which has to be checked", () => {
  expectTypeOf(json()).toEqualTypeOf<Codec<unknown, unknown>>();
  expectTypeOf(() => idle(json()).receive()).returns.resolves.toEqualTypeOf<unknown>();
});

test("a codec may be left out only where strings and bytes go both ways", () => {
  const options = { autoConnect: false };
  expectTypeOf(() => new Conn<Payload, string>("ws://x.test/", options)).returns.toEqualTypeOf<Conn<Payload, string>>();
  // @ts-expect-error a Product comes of no payload without a codec
  expectTypeOf(() => new Conn<Product>("ws://x.test/", options)).returns.toEqualTypeOf<Conn<Product>>();
  // @ts-expect-error a Command becomes no payload without a codec
  expectTypeOf(() => new Conn<Payload, Command>("ws://x.test/", options)).returns.toExtend<Conn<Payload, Command>>();
  // @ts-expect-error a text alone may come as bytes
  expectTypeOf(() => new Conn<string>("ws://x.test/")).returns.toEqualTypeOf<Conn<string>>();
});

test("what the codec can't send does not compile", () => {
  const conn = idle(json<Product[], Command>());
  conn.send({ type: "watch", top: 10 });
  // @ts-expect-error a wrong field
  conn.send({ type: "watch", bottom: 10 });
  // @ts-expect-error what comes in does not go out
  conn.send([{ name: "kayak" }]);
  // @ts-expect-error text takes no number
  expect(() => idle(text).send(5)).toThrow();
  // @ts-expect-error bytes takes no string
  expect(() => idle(bytes).send("x")).toThrow();
});

test("a codec of two functions gives its types too", () => {
  const codec = new Codec({
    marshal: (value: number) => String(value),
    unmarshal: (payload): Date => new Date(String(payload)),
  });
  expectTypeOf(codec).toEqualTypeOf<Codec<Date, number>>();
  expectTypeOf(idle(codec)).toEqualTypeOf<Conn<Date, number>>();
  const pair = {
    marshal: (value: number) => String(value),
    unmarshal: (payload: Payload) => new Date(String(payload)),
  };
  expectTypeOf(new Conn("ws://x.test/", { codec: pair, autoConnect: false })).toEqualTypeOf<Conn<Date, number>>();
});

test("another codec's types go by that codec, whatever the Conn's", () => {
  const conn = idle(text);
  const products = json<Product[], Command>();
  expectTypeOf(() => products.receive(conn)).returns.resolves.toEqualTypeOf<Product[]>();
  expectTypeOf(() => products.messages(conn)).returns.toEqualTypeOf<AsyncIterableIterator<Product[]>>();
  products.send(conn, { type: "watch", top: 1 });
  // @ts-expect-error no Command
  products.send(conn, "x");
});

test("read and write speak payloads", () => {
  const conn = idle(json<Product[], Command>());
  expectTypeOf(() => conn.read()).returns.resolves.toEqualTypeOf<Payload>();
  expectTypeOf(conn.write).parameter(0).toEqualTypeOf<Payload>();
});

test("every event has its own payload, and no other event exists", () => {
  const { conn } = createConn({ autoConnect: false });
  conn.on("error", (error) => expectTypeOf(error).toEqualTypeOf<ConnError>());
  conn.on("disconnected", ({ willRetry, status }) =>
    expectTypeOf({ retry: willRetry, status }).toEqualTypeOf<{ retry: boolean; status: number | undefined }>(),
  );
  conn.on("dropped", ({ payload }) => expectTypeOf(payload).toEqualTypeOf<Payload>());
  expectTypeOf<ConnEvents<Product>["message"]>().toEqualTypeOf<Product>();
  // @ts-expect-error a misspelt event
  expect(() => conn.on("opened", () => {})).toThrow("opened is not an event: use open.");
});

test("options are checked by name and kind", () => {
  const none = () => new Conn("ws://x.test/", { autoConnect: false });
  expectTypeOf(none).returns.toEqualTypeOf<Conn<Payload, Payload>>();
  // @ts-expect-error a misspelt option
  expect(() => new Conn("ws://x.test/", { autoConnect: false, maxPayload: 5 })).toThrow("use maxPayloadBytes");
  // @ts-expect-error no such overflow
  expect(() => new Conn("ws://x.test/", { autoConnect: false, outbox: { overflow: "close" } })).toThrow();
});
