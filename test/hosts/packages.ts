import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Resume from "../../src/resume/client/index.ts";
import type * as Server from "../../src/server/index.ts";
import type * as Fake from "../../src/testing/fake/index.ts";
import type * as Testing from "../../src/testing/index.ts";
import type * as Sockets from "../../src/websocket/index.ts";

// The hosts have a manifest of their own: the compiler knows of them only the members that are named here. The
// package is loaded from its build, because the manifest beside this file hides its name.
const load = createRequire(import.meta.url);
const built = <T>(file: string): Promise<T> =>
  import(pathToFileURL(join(import.meta.dirname, "../../dist/node", file)).href);

export const tautline = async () => ({
  ...(await built<typeof Sockets>("websocket.mjs")),
  ...(await built<typeof Resume>("resume.mjs")),
  ...(await built<typeof Server>("server.mjs")),
  ...(await built<typeof Testing>("testing.mjs")),
  ...(await built<typeof Fake>("testing/fake.mjs")),
});

/** The members of graphql-ws that are used. */
export interface GraphqlClient {
  iterate(payload: { query: string }): AsyncIterableIterator<{ data: { count: number }; errors?: unknown }>;
  dispose(): void | Promise<void>;
}

interface GraphqlServer {
  opened(
    socket: {
      readonly protocol: string;
      send(data: string): void;
      close(code: number, reason: string): void;
      onMessage(listener: (data: string) => Promise<void>): void;
    },
    extra: object,
  ): (code: number, reason: string) => Promise<void>;
}

export const graphql = () => {
  const { buildSchema } = load("graphql") as { buildSchema(text: string): object };
  const { createClient, makeServer } = load("graphql-ws") as {
    createClient(options: object): GraphqlClient;
    makeServer(options: object): GraphqlServer;
  };
  return { buildSchema, createClient, makeServer };
};

interface YText {
  insert(index: number, text: string): void;
  toString(): string;
}

/** The members of Yjs that are used. */
export interface YDoc {
  getText(name: string): YText;
  destroy(): void;
}

export interface YProvider {
  readonly wsconnected: boolean;
  readonly synced: boolean;
  on(event: string, listener: (...args: never[]) => void): void;
  destroy(): void;
}

export const yjs = async () => {
  const { Doc } = (await import(pathToFileURL(load.resolve("yjs")).href)) as { Doc: new () => YDoc };
  const { WebsocketProvider } = (await import(pathToFileURL(load.resolve("y-websocket")).href)) as {
    WebsocketProvider: new (url: string, room: string, doc: YDoc, options: object) => YProvider;
  };
  const { setupWSConnection } = (await import(pathToFileURL(load.resolve("@y/websocket-server/utils")).href)) as {
    setupWSConnection(socket: object, request: object): void;
  };
  return { Doc, WebsocketProvider, setupWSConnection };
};

/** The members of RxJS that are used. */
export interface Subject<T> {
  next(value: T): void;
  pipe(...operators: object[]): { subscribe(observer: object): { unsubscribe(): void } };
}

export const rxjs = () => {
  const { webSocket } = load("rxjs/webSocket") as { webSocket<T>(options: object): Subject<T> };
  const { retry } = load("rxjs") as { retry(options: object): object };
  return { webSocket, retry };
};

/** The members of a tRPC client that are used. */
export interface TrpcClient {
  readonly add: { mutate(text: string): Promise<number> };
  readonly count: { subscribe(input: undefined, observer: { onData(value: number): void }): { unsubscribe(): void } };
}

interface WsClient {
  close(): void | Promise<void>;
}

export const trpc = () => {
  const { initTRPC } = load("@trpc/server") as { initTRPC: { create(): TrpcBuilder } };
  const { getWSConnectionHandler } = load("@trpc/server/adapters/ws") as {
    getWSConnectionHandler(options: object): (socket: object, request: object) => unknown;
  };
  const { createTRPCClient, createWSClient, wsLink } = load("@trpc/client") as {
    createTRPCClient(options: object): TrpcClient;
    createWSClient(options: object): WsClient;
    wsLink(options: { readonly client: WsClient }): object;
  };
  return { initTRPC, getWSConnectionHandler, createTRPCClient, createWSClient, wsLink };
};

interface TrpcBuilder {
  router(routes: object): object;
  readonly procedure: {
    input(parse: (input: unknown) => string): { mutation(act: (options: { input: string }) => number): object };
    subscription(act: (options: { signal: AbortSignal }) => AsyncGenerator<number>): object;
  };
}

/** The members of a NATS connection that are used. */
export interface NatsConnection {
  subscribe(subject: string): AsyncIterable<{ string(): string }>;
  publish(subject: string, data: string): void;
  flush(): Promise<void>;
  status(): AsyncIterable<{ type: string }>;
  close(): Promise<void>;
}

export const nats = () => load("@nats-io/nats-core") as { wsconnect(options: object): Promise<NatsConnection> };

/** The script that makes `mqtt` a global of a page. */
export const mqttScript = () => load.resolve("mqtt/dist/mqtt.min");

type ClientClass = new (
  url: unknown,
  protocols?: string[],
  options?: object,
) => {
  onopen: unknown;
  onmessage: ((event: { data: string }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  readonly readyState: number;
  send(data: string): void;
  reconnect(): void;
  close(code?: number, reason?: string): void;
};

export const partysocket = async () =>
  ((await import(pathToFileURL(load.resolve("partysocket/ws")).href)) as { default: ClientClass }).default;
export const reconnectingWebSocket = () => {
  const found = load("reconnecting-websocket") as ClientClass & { default?: ClientClass };
  return found.default ?? found;
};
