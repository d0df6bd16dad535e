// Functions that users of a Conn give, well and badly behaved. Each gets the URL, and a way to tell the test something.

const forever = () => new Promise(() => {});

/** Has a token that is refreshed after a refusal. */
const withToken = (_url, tell) => ({
  options: {
    headers: ({ attempt, previous }) => {
      tell({ attempt, status: previous?.status, code: previous?.code });
      return { authorization: previous ? "fresh" : "stale" };
    },
  },
});

/** Has a url function that fails in one way after the other, and then works. */
const unsure = (url, tell) => {
  const answers = [
    () => {
      throw new Error("no token");
    },
    () => Promise.reject("no error either"),
    forever,
    () => undefined,
    () => 42,
    () => "http://[",
    () => "ftp://127.0.0.1/",
    () => url,
  ];
  return {
    url: ({ attempt, signal }) => {
      signal.addEventListener("abort", () => tell({ aborted: attempt }));
      return answers[Math.min(attempt, answers.length - 1)]();
    },
  };
};

/** Has protocols and headers functions that answer nonsense, and then sense. */
const confused = () => {
  const protocols = [[""], ["a b"], ["a", "a"], 7, {}, null];
  const headers = [{ "bad name": "x" }, { good: "bad\nvalue" }];
  return {
    options: {
      protocols: ({ attempt }) => (attempt < protocols.length ? protocols[attempt] : []),
      headers: ({ attempt }) => headers[attempt - protocols.length] ?? {},
    },
  };
};

/** Has a url function that never answers. */
const lost = () => ({ url: forever });

/** Has a setup that never ends. */
const pensive = (_url, tell) => ({
  options: {
    setup: async ({ signal }) => {
      signal.addEventListener("abort", () => tell({ aborted: true }));
      tell({ setup: true });
      await forever();
    },
  },
});

/** Has a listener of every event that throws. */
const clumsy = () => ({
  listen: (conn) => {
    for (const event of ["state", "open", "message", "disconnected", "waiting", "closed"]) {
      conn.on(event, () => {
        throw new Error(event);
      });
    }
  },
});

/** Doubles its waits. */
const patient = (_url, tell) => ({
  options: {
    backoff: (n) => {
      tell({ n });
      return 250 * 2 ** (n - 1);
    },
  },
});

/** Pulls messages, and only on request. */
const slow = () => ({
  pulls: true,
  read: async (conn, heard) => {
    for await (const message of conn) heard.push(Number(message));
  },
});

/** Sends, and ends its process in the same turn. */
const hasty = (end) => () => ({
  listen: (conn) => {
    const leave = () => {
      for (let i = 0; i < 10; i++) conn.send(String(i));
      end();
    };
    conn.ready().then(() => setImmediate(leave));
  },
});
const exiting = hasty(() => process.exit(0));
const failing = hasty(() => {
  process.removeAllListeners("uncaughtException").on("exit", () => {
    process.exitCode = 0;
  });
  throw new Error("of the user's");
});

export const users = { withToken, unsure, confused, lost, pensive, clumsy, patient, slow, exiting, failing };
