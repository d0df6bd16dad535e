import { expect } from "vitest";
import type { Payload } from "../../../src/index.ts";
import { type ControlFrame, decode, encode } from "../../../src/resume/protocol/control.ts";
import {
  type Handler,
  type HandlerOptions,
  handle,
  handler,
  type ServerConn,
  type SessionOptions,
} from "../../../src/server/index.ts";
import { type Client, dial, type Site, site, until } from "../../support/ws-server.ts";

export interface Serving extends Site {
  readonly conns: readonly ServerConn[];
  readonly received: Payload[];
  readonly ws: Handler;
  readonly shutdown: (options?: object) => Promise<void>;
}

/** A server that keeps the messages it receives, with one Conn for each session. */
export async function serving(
  given: SessionOptions = {},
  options: HandlerOptions = {},
  serve?: (conn: ServerConn) => unknown,
) {
  const conns: ServerConn[] = [];
  const received: Payload[] = [];
  const ws = handler(
    (conn) => {
      conns.push(conn);
      conn.on("message", (message) => received.push(message));
      return serve?.(conn);
    },
    { resume: given, onError: () => {}, closeTimeoutMs: 300, ...options },
  );
  const all = await site((server) => handle(server, "/ws", ws));
  return { ...all, ws, conns, received, shutdown: (more?: object) => ws.shutdown(more) } satisfies Serving;
}

/** A client that speaks resume by hand. */
export interface RawClient extends Client {
  send(...frames: (ControlFrame | string)[]): void;
  /** The messages of the server, with control frames decoded. */
  read(): (ControlFrame | string | Buffer)[];
  /** The session of this socket. */
  readonly sid: string;
  readonly secret: string;
}

export async function rawClient(url: string, headers: Record<string, string> = {}): Promise<RawClient> {
  const client = await dial(url, { protocols: ["resume.v1"], headers });
  await until(() => expect(client.received).not.toEqual([]));
  const greeting = decode(String(client.received[0]));
  if (greeting?.type !== "H") throw new Error(`The server began with ${String(client.received[0])}.`);
  return {
    ...client,
    sid: greeting.sid,
    secret: greeting.secret,
    send: (...frames) => {
      for (const frame of frames) client.socket.send(typeof frame === "string" ? frame : encode(frame));
    },
    read: () => client.received.slice(1).map((said) => (typeof said === "string" && decode(said)) || said),
  };
}

export const acceptControl: ControlFrame = { type: "N", win: 10_000 };
export const resumeControl = ({ sid, secret }: RawClient, more: object = {}): ControlFrame => ({
  type: "R",
  sid,
  secret,
  gen: 1,
  rx: 0,
  win: 10_000,
  ...more,
});

/** A session in use, in which `messages` were received. */
export async function openSession({ url, received, conns }: Serving, ...messages: string[]): Promise<RawClient> {
  const client = await rawClient(url());
  const before = received.length;
  const served = conns.length;
  client.send(acceptControl, ...messages);
  await until(() => expect(conns).toHaveLength(served + 1));
  await until(() => expect(received.length - before).toBe(messages.length));
  return client;
}

/** Leaves without a word, and waits until the server knows. */
export async function dropClient(client: RawClient, conn: ServerConn | undefined): Promise<void> {
  client.socket.terminate();
  await until(() => expect(conn?.state).toBe("waiting"));
}
