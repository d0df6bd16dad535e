import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { type Conn, json, text } from "../../../src/index.ts";
import { type CallOptions, type HandlerContext, type Peer, rpc } from "../../../src/rpc/index.ts";
import { createConn, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

// These tests are checked by the compiler: `npm run types` fails where one of them is wrong.

useFakeTime();

interface Quote {
  price: number;
}
interface ServerApi {
  quote(params: { symbol: string }): Quote;
  sum(params: [number, number]): Promise<number>;
  time(): number;
  list(params?: { top?: number }): readonly Quote[];
  log(params: { line: string }): void;
}
interface ClientApi {
  confirm(params: { text: string }): boolean;
  price(params: Record<string, number>): void;
}

const peer = () => rpc<ServerApi, ClientApi>(new FakeRpcConn());

test("a call takes the parameters of its method and resolves with its result", () => {
  const { call } = peer();
  expectTypeOf(() => call("quote", { symbol: "ROPE" })).returns.resolves.toEqualTypeOf<Quote>();
  expectTypeOf(() => call("sum", [1, 2])).returns.resolves.toEqualTypeOf<number>();
  expectTypeOf(() => call("time")).returns.resolves.toEqualTypeOf<number>();
  expectTypeOf(() => call("list")).returns.resolves.toEqualTypeOf<readonly Quote[]>();
  expectTypeOf(() => call("list", { top: 3 }, { retry: true })).returns.resolves.toEqualTypeOf<readonly Quote[]>();
  expectTypeOf(() => call("time", undefined, { timeoutMs: 5 })).returns.resolves.toEqualTypeOf<number>();
  expectTypeOf(() => call("log", { line: "x" })).returns.resolves.toEqualTypeOf<void>();
});

test("a wrong name, wrong parameters and a wrong result do not compile", () => {
  const { call, notify, on } = peer();
  // @ts-expect-error no such method
  call("qoute", { symbol: "ROPE" });
  // @ts-expect-error a method of this end, not of the other
  call("confirm", { text: "?" });
  // @ts-expect-error a wrong member
  call("quote", { name: "ROPE" });
  // @ts-expect-error no parameters
  call("quote");
  // @ts-expect-error too many
  call("sum", [1, 2, 3]);
  // @ts-expect-error parameters of a method that has none
  call("time", { at: 1 });
  // @ts-expect-error a misspelt option, which is refused when it is given too
  expect(() => call("quote", { symbol: "ROPE" }, { timeout: 5 })).toThrow("use timeoutMs");
  // @ts-expect-error a number is no string
  (): Promise<string> => call("time");
  // @ts-expect-error wrong parameters
  notify("log", { row: "x" });
  // @ts-expect-error a method of the other end
  on("quote", () => {});
  on("price", (prices) => expectTypeOf(prices).toEqualTypeOf<Record<string, number>>());
});

test("a primitive parameter does not compile, nor a second one", () => {
  interface Primitive {
    twice(n: number): number;
  }
  interface Union {
    either(value: { a: 1 } | string): number;
  }
  interface Two {
    add(a: [number], b: [number]): number;
  }
  interface NoFunction {
    version: string;
  }
  const conn = new FakeRpcConn();
  // @ts-expect-error a number is no object
  rpc<Primitive>(conn);
  // @ts-expect-error one of the two is a string
  rpc<Union>(conn);
  // @ts-expect-error two parameters
  rpc<Two>(conn);
  // @ts-expect-error no function
  rpc<NoFunction>(conn);
  // @ts-expect-error what this end offers must be such a contract too
  rpc<ServerApi, Primitive>(conn);
});

test("handlers are inferred from the contract", () => {
  const conn = new FakeRpcConn();
  rpc<ServerApi, ClientApi>(conn, {
    handlers: {
      confirm(params, context) {
        expectTypeOf(params).toEqualTypeOf<{ text: string }>();
        expectTypeOf(context).toEqualTypeOf<HandlerContext>();
        return true;
      },
    },
  });
  rpc<ServerApi, ClientApi>(conn, { handlers: { confirm: async ({ text: line }) => line === "yes" } });
  rpc<ClientApi, ServerApi>(conn, { handlers: { sum: ([a, b]) => a + b, time: () => 1, log: () => {} } });
  // @ts-expect-error a wrong result
  rpc<ServerApi, ClientApi>(conn, { handlers: { confirm: () => "yes" } });
  // @ts-expect-error a wrong result, later
  rpc<ServerApi, ClientApi>(conn, { handlers: { confirm: async () => "yes" } });
  // @ts-expect-error wrong parameters
  rpc<ServerApi, ClientApi>(conn, { handlers: { confirm: (params: { line: string }) => params.line === "" } });
  // @ts-expect-error no such method
  rpc<ServerApi, ClientApi>(conn, { handlers: { decline: () => true } });
});

test("schemas give the parameters of their methods", () => {
  const conn = new FakeRpcConn();
  rpc<ServerApi, ClientApi>(conn, { schemas: { confirm: z.object({ text: z.string() }) } });
  // @ts-expect-error a schema of something else
  rpc<ServerApi, ClientApi>(conn, { schemas: { confirm: z.object({ text: z.number() }) } });
});

test("without a contract, anything goes", () => {
  const { call } = rpc(new FakeRpcConn());
  // biome-ignore lint/suspicious/noExplicitAny: that is what the type is to be
  expectTypeOf(() => call("x", { a: 1 })).returns.resolves.toEqualTypeOf<any>();
  expectTypeOf<Parameters<Peer["call"]>[2]>().toEqualTypeOf<CallOptions | undefined>();
});

test("a Conn whose codec carries objects fits, and no other", () => {
  const objects = createConn({ codec: json(), autoConnect: false }).conn;
  const strings = createConn({ codec: text, autoConnect: false }).conn;
  const payloads = createConn({ autoConnect: false }).conn;
  rpc<ServerApi>(objects);
  rpc<ServerApi>(objects as Conn<unknown, unknown>);
  // @ts-expect-error text can't carry a request
  rpc<ServerApi>(strings);
  // @ts-expect-error without a codec, only strings and bytes are sent
  rpc<ServerApi>(payloads);
});
