// Programs that a bench starts in processes of their own.
import { fork } from "node:child_process";
import { once } from "node:events";

/** Starts a program. `ask()` sends it a command, and resolves with its answer. */
export function start(file, ...args) {
  // Not the options of a program that was read from standard input.
  const child = fork(file, args.map(String), { execArgv: [] });
  const answerTo = (type) =>
    new Promise((resolve, reject) => {
      const onMessage = (news) => {
        if (news.type !== type) return;
        child.off("message", onMessage).off("exit", onExit);
        resolve(news.answer);
      };
      const onExit = (code) => reject(new Error(`${file} ended with ${code}.`));
      child.on("message", onMessage).on("exit", onExit);
    });
  const ask = (type, rest = {}) => {
    const answer = answerTo(type);
    child.send({ type, ...rest });
    return answer;
  };
  return {
    ask,
    answerTo,
    signal: (signal) => child.kill(signal),
    /** Ends it at once. */
    async end() {
      child.removeAllListeners("exit");
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/**
 * Measures each kind in turns, so that a slow minute of the machine hits all. Returns a function that gives the median of
 * a kind's samples, or of what they have by a name; its `samples` are all, by kind.
 */
export async function inTurns(kinds, rounds, measure) {
  const samples = new Map(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [kind, found] of samples) found.push(await measure(kind));
  }
  const medianOf = (kind, name) => median(samples.get(kind).map((found) => (name === undefined ? found : found[name])));
  return Object.assign(medianOf, { samples });
}
