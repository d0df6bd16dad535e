import { until, within } from "../assert.ts";
import type { Log, Urls } from "../case-context.ts";

/** The class to be judged, and where the contract server is. */
export interface StepEnv extends Urls {
  readonly WebSocket: typeof WebSocket;
  /** Asks the other end, where HTTP does not lead there. */
  ask?(url: string): Promise<Log>;
}

/** A fact about one step of the text of WHATWG, which every class either shows or does not. */
export interface StepCase {
  /** The step, and what is true if it is followed. */
  readonly name: string;
  run(env: StepEnv): Promise<void>;
}

/** A step that a class does not follow may wait for so long, one after another. */
const STEP_MS = 4_000;

/** One case's part of the world. */
export class StepStage {
  readonly env: StepEnv;
  readonly #id = `${Date.now()}-${Math.random()}`;
  readonly #sockets: WebSocket[] = [];

  constructor(env: StepEnv) {
    this.env = env;
  }

  get WebSocket(): typeof WebSocket {
    return this.env.WebSocket;
  }

  url(path: string, query: Readonly<Record<string, string | number>> = {}, host = this.env.base): string {
    const entries = Object.entries({ id: this.#id, ...query }).map(([name, value]) => [name, String(value)]);
    return `${this.env.secure ? "wss" : "ws"}://${host}${path}?${new URLSearchParams(entries)}`;
  }

  /** A socket, which the case's end closes. */
  socket(url = this.url("/echo"), protocols?: string | string[]): WebSocket {
    const { WebSocket } = this.env;
    const socket = protocols === undefined ? new WebSocket(url) : new WebSocket(url, protocols);
    this.#sockets.push(socket);
    return socket;
  }

  /** The same, open. */
  async open(path = "/echo", query: Readonly<Record<string, string | number>> = {}): Promise<WebSocket> {
    const socket = this.socket(this.url(path, query));
    await next(socket, "open");
    return socket;
  }

  /** The server's log; `drop` and `read` are done to this case's connections before. */
  async log(act: "log" | "drop" | "read" = "log"): Promise<Log> {
    const url = this.url(`/${act}`);
    if (this.env.ask) return this.env.ask(url);
    const response = await fetch(url.replace("ws", "http"));
    return response.json() as Promise<Log>;
  }

  /** The server's log once all connections of the case are gone. */
  async gone(): Promise<Log> {
    let log = await this.log();
    await until("all are gone", async () => {
      log = await this.log();
      return log.live === 0;
    });
    return log;
  }

  leave(): void {
    for (const socket of this.#sockets) {
      socket.onerror = () => {};
      socket.close();
    }
  }
}

export function step(name: string, act: (stage: StepStage) => Promise<void> | void): StepCase {
  return {
    name,
    async run(env) {
      const stage = new StepStage(env);
      try {
        await within(STEP_MS, "The case has not ended", Promise.resolve(act(stage)));
      } finally {
        stage.leave();
      }
    },
  };
}

/** Resolves when all listeners of an event were called: a browser runs microtasks between them. */
export function task(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Resolves with the next event of this type. */
export function next<Type extends keyof WebSocketEventMap>(
  socket: WebSocket,
  type: Type,
): Promise<WebSocketEventMap[Type]> {
  return new Promise((resolve) => {
    socket.addEventListener(type, resolve as EventListener, { once: true });
  });
}

/** The types of the events of a socket, as they come. */
export function record(socket: WebSocket): string[] {
  const events: string[] = [];
  for (const type of ["open", "message", "error", "close"]) socket.addEventListener(type, () => events.push(type));
  return events;
}

/** The name of the DOMException, or of the error, that `act` throws. */
export function thrown(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return (error as Error).name;
  }
  return "nothing";
}

/** The messages of the errors that are reported as uncaught while `act` runs; nobody else learns of them. */
export async function uncaught(act: () => Promise<void>): Promise<string[]> {
  const messages: string[] = [];
  const { process } = globalThis as { process?: NodeJS.Process };
  if (process?.rawListeners) {
    const others = process.rawListeners("uncaughtException") as NodeJS.UncaughtExceptionListener[];
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", ({ message }) => messages.push(message));
    await act();
    process.removeAllListeners("uncaughtException");
    for (const other of others) process.on("uncaughtException", other);
    return messages;
  }
  const listener = (event: ErrorEvent) => {
    event.preventDefault();
    messages.push(event.error.message);
  };
  globalThis.addEventListener("error", listener);
  await act();
  globalThis.removeEventListener("error", listener);
  return messages;
}
