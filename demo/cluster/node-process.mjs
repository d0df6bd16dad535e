// @ts-check
import { fork } from "node:child_process";

const PROGRAM = new URL("node.mjs", import.meta.url);

/** A process that serves the WebSockets. One that has ended is not used again. */
export class NodeProcess {
  /** Whether it is to be sent connections: not before it listens, and not once it leaves. */
  isReady = false;
  port = 0;
  /** Resolves once it listens. Rejects when it ends before. @type {Promise<void>} */
  started;
  /** Resolves once it has ended. @type {Promise<void>} */
  ended;
  #child;

  /** @param {{ number: number, redis: string, everyMs: number }} settings */
  constructor(settings) {
    this.#child = fork(PROGRAM, [JSON.stringify(settings)]);
    this.ended = new Promise((resolve) => this.#child.once("exit", () => resolve()));
    this.started = new Promise((resolve, reject) => {
      this.#child.once("message", (message) => {
        this.port = Object(message).port;
        this.isReady = true;
        resolve();
      });
      this.ended.then(() => reject(new Error(`Node ${settings.number} ended before it could serve.`)));
    });
    // Without a process there is nothing to send to, and `ended` says so.
    this.#child.on("error", () => {});
    this.ended.then(() => {
      this.isReady = false;
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** Ends all connections and sessions, and serves again. */
  restart() {
    return this.#ask("restart", "restarted");
  }

  /** Takes no more connections, sends the clients away over a while, and ends some seconds after them. */
  leave() {
    this.isReady = false;
    return this.#ask("leave", "left");
  }

  kill() {
    this.#child.kill("SIGKILL");
    return this.ended;
  }

  /**
   * Resolves once the process answers, or has ended.
   *
   * @param {string} question
   * @param {string} answer
   */
  async #ask(question, answer) {
    if (!this.#child.connected) return;
    /** @type {((message: unknown) => void) | undefined} */
    let listener;
    const answered = new Promise((resolve) => {
      listener = (message) => message === answer && resolve(undefined);
      this.#child.on("message", listener);
    });
    this.#child.send(question, () => {});
    await Promise.race([answered, this.ended]);
    if (listener) this.#child.off("message", listener);
  }
}
