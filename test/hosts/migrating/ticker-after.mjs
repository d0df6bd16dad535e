// The ticker on tautline: the program after it was migrated.
import { exponential } from "tautline";
import { ReconnectingWebSocket } from "tautline/websocket";

const STALE_MS = 30_000;
const ANSWER_MS = 5_000;

/** Follows prices over one socket, and asks for single quotes. `log` gets a line for everything that a user would see. */
export function startTicker(url, getToken, log) {
  const prices = new Map();
  const watched = new Set();
  const questions = new Map();
  let nextQuestion = 1;
  let staleTimer;
  let isStopped = false;

  const socket = new ReconnectingWebSocket(async () => `${url}/ticker?token=${await getToken()}`, "ticker.v1", {
    backoff: exponential({ maxMs: 500 }),
    connectTimeoutMs: 2_000,
    outbox: { maxMessages: 100 },
  });

  function send(message) {
    socket.send(JSON.stringify(message));
  }

  function showStatus(text) {
    log(`status: ${text}`);
  }

  /** The feed says something every few seconds: without a word the line is taken for dead. */
  function restartStaleTimer() {
    clearTimeout(staleTimer);
    staleTimer = setTimeout(() => {
      showStatus("stale");
      socket.reconnect();
    }, STALE_MS);
  }

  socket.addEventListener("open", () => {
    showStatus(`open, ${socket.protocol}`);
    restartStaleTimer();
    for (const symbol of watched) send({ type: "watch", symbol });
  });

  socket.addEventListener("close", ({ code }) => {
    clearTimeout(staleTimer);
    showStatus(isStopped ? "stopped" : `away, ${code}`);
    for (const { reject } of questions.values()) reject(new Error("The connection was lost."));
    questions.clear();
  });

  socket.addEventListener("message", ({ data }) => {
    restartStaleTimer();
    const message = JSON.parse(data);
    switch (message.type) {
      case "price":
        prices.set(message.symbol, message.price);
        log(`${message.symbol} ${message.price}`);
        break;
      case "quote":
        questions.get(message.id)?.resolve(message.price);
        questions.delete(message.id);
        break;
      case "notice":
        log(`notice: ${message.text}`);
        break;
    }
  });

  return {
    prices,
    watch(symbol) {
      watched.add(symbol);
      if (socket.readyState === ReconnectingWebSocket.OPEN) send({ type: "watch", symbol });
    },
    quote(symbol) {
      const id = nextQuestion++;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("No answer.")), ANSWER_MS);
        const settle = (act) => (value) => {
          clearTimeout(timer);
          act(value);
        };
        questions.set(id, { resolve: settle(resolve), reject: settle(reject) });
        send({ type: "quote", id, symbol });
      });
    },
    refresh() {
      socket.reconnect();
    },
    stop() {
      isStopped = true;
      socket.close(1000, "done");
    },
  };
}
