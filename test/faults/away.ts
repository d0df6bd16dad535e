import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "vitest";

export interface News {
  readonly event: string;
  /** By the clock that all processes share, `performance.timeOrigin + performance.now()`. */
  readonly at: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a process tells has no type, and tests name what they expect.
  readonly [name: string]: any;
}

/** The program with the Conn, far away. */
export interface Away {
  /** All events so far. */
  readonly history: readonly News[];
  tell(command: string, details?: object): void;
  /** The next news of `event`, counted from the last one that was asked for. */
  next(event: string, isIt?: (news: News) => boolean): Promise<News>;
  /** Milliseconds from now until the process has ended, well. */
  exit(): Promise<number>;
  kill(): unknown;
}

export const now = () => performance.timeOrigin + performance.now();

export function away(url: string, options: object, user?: string): Away {
  const child = fork(join(import.meta.dirname, "process.mjs"), [JSON.stringify([url, options, user])], {
    execArgv: [],
  });
  return follow(child);
}

/** The events so far, and the waits for later ones. */
export function journal() {
  const history: News[] = [];
  const news: News[] = [];
  let look = () => {};
  return {
    history,
    add(each: News): void {
      history.push(each);
      news.push(each);
      look();
    },
    next: (event: string, isIt: (news: News) => boolean = () => true): Promise<News> =>
      new Promise((resolve) => {
        look = () => {
          const at = news.findIndex((each) => each.event === event && isIt(each));
          if (at >= 0) resolve(news.splice(0, at + 1).at(-1) as News);
        };
        look();
      }),
  };
}

function follow(child: ChildProcess): Away {
  const { history, next, add } = journal();
  child.on("message", (message) => add(message as News));
  const exited = once(child, "exit");
  return {
    history,
    next,
    tell: (command, details) => child.send({ command, ...details }),
    exit() {
      const start = now();
      const ms = exited.then(([code]) => {
        expect(code).toBe(0);
        return now() - start;
      });
      // A test that has failed before kills the program, and does not ask any more.
      ms.catch(() => {});
      return ms;
    },
    kill: () => child.kill(),
  };
}
