import { equal, until } from "../assert.ts";
import { next, record, type StepCase, step, thrown } from "./stage.ts";

/** `close()`, and how connections end. */
export const closing: readonly StepCase[] = [
  step(
    "close(code, reason), step 1: a code other than 1000 and 3000 to 4999 is an InvalidAccessError",
    async (stage) => {
      const socket = await stage.open();
      for (const code of [0, 500, 999, 1001, 1005, 1006, 1011, 2999, 5000, 65_536, -1, Number.NaN]) {
        equal([code, thrown(() => socket.close(code))], [code, "InvalidAccessError"]);
      }
      equal(socket.readyState, 1);
    },
  ),

  step("close(code, reason): the code is clamped to an unsigned short and rounded", async (stage) => {
    const socket = await stage.open();
    equal(
      thrown(() => socket.close(4999.6)),
      "InvalidAccessError",
    );
    socket.close(3000.4);
    await next(socket, "close");
    equal((await stage.gone()).closes, [{ code: 3000, reason: "" }]);
  }),

  step("close(code, reason), step 2: a reason of more than 123 bytes of UTF-8 is a SyntaxError", async (stage) => {
    const socket = await stage.open();
    for (const reason of ["x".repeat(124), "ü".repeat(62)])
      equal(
        thrown(() => socket.close(1000, reason)),
        "SyntaxError",
      );
    equal(socket.readyState, 1);
    socket.close(1000, "ü".repeat(61));
    await next(socket, "close");
    equal((await stage.gone()).closes, [{ code: 1000, reason: "ü".repeat(61) }]);
  }),

  step("close(code, reason) checks its arguments in every state", async (stage) => {
    const socket = stage.socket();
    equal(
      thrown(() => socket.close(1001)),
      "InvalidAccessError",
    );
    socket.close();
    equal(
      thrown(() => socket.close(1000, "x".repeat(124))),
      "SyntaxError",
    );
    await next(socket, "close");
    equal(
      thrown(() => socket.close(1001)),
      "InvalidAccessError",
    );
  }),

  step("close the WebSocket, step 1: closing twice does nothing more", async (stage) => {
    const socket = await stage.open();
    const events = record(socket);
    socket.close(4001, "first");
    socket.close(4002, "second");
    await next(socket, "close");
    socket.close(4003);
    await new Promise((resolve) => setTimeout(resolve, 10));
    equal(events, ["close"]);
    equal((await stage.gone()).closes, [{ code: 4001, reason: "first" }]);
  }),

  step(
    "close the WebSocket, step 2: before open it is CLOSING, then error and close 1006, never open",
    async (stage) => {
      const socket = stage.socket();
      const events = record(socket);
      socket.close();
      equal([socket.readyState, events], [2, []]);
      const { code, reason, wasClean } = await next(socket, "close");
      equal([events, code, reason, wasClean, socket.readyState], [["error", "close"], 1006, "", false, 3]);
    },
  ),

  step("close the WebSocket, step 2: a server that never answers does not keep it", async (stage) => {
    const socket = stage.socket(stage.url("/", {}, stage.env.never));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const closed = next(socket, "close");
    socket.close(4000, "enough");
    equal((await closed).code, 1006);
  }),

  step("close the WebSocket, step 3: the code and reason arrive, after all that was sent", async (stage) => {
    const socket = await stage.open();
    for (let i = 0; i < 50; i++) socket.send(`${i}`);
    socket.close(4001, "bye, grüße");
    equal(socket.readyState, 2);
    const { code, reason, wasClean } = await next(socket, "close");
    equal({ code, reason, wasClean }, { code: 4001, reason: "bye, grüße", wasClean: true });
    const { texts, closes } = await stage.gone();
    equal([texts, closes], [Array.from({ length: 50 }, (_, i) => `${i}`), [{ code: 4001, reason: "bye, grüße" }]]);
  }),

  step("close the WebSocket, step 3: without a code the frame has no body, and both ends tell 1005", async (stage) => {
    const socket = await stage.open();
    socket.close();
    const { code, reason, wasClean } = await next(socket, "close");
    equal({ code, reason, wasClean }, { code: 1005, reason: "", wasClean: true });
    equal((await stage.gone()).closes, [{ code: 1005, reason: "" }]);
  }),

  step("close(code, reason): a reason without a code travels with 1000", async (stage) => {
    const socket = await stage.open();
    socket.close(undefined, "why");
    await next(socket, "close");
    equal((await stage.gone()).closes, [{ code: 1000, reason: "why" }]);
  }),

  step("closing handshake started: CLOSING, until the connection has ended", async (stage) => {
    const socket = await stage.open("/linger");
    const events = record(socket);
    await until("it is closing", () => socket.readyState !== 1, 1_000);
    equal([socket.readyState, events], [2, []]);
  }),

  step("connection closed: a frame of the server that breaks the protocol is an error, and 1006", async (stage) => {
    for (const hex of ["f100", "8101ff", "8305"]) {
      const socket = await stage.open("/raw", { hex });
      const events = record(socket);
      socket.send("break");
      const { code, reason, wasClean } = await next(socket, "close");
      equal([hex, events, code, reason, wasClean], [hex, ["error", "close"], 1006, "", false]);
    }
  }),

  step("connection closed: a close frame of the server without a body is 1005, and clean", async (stage) => {
    const { code, reason, wasClean } = await next(stage.socket(stage.url("/close")), "close");
    equal([code, reason, wasClean], [1005, "", true]);
  }),

  step("connection closed: the server's code and reason, and clean", async (stage) => {
    for (const [code, reason] of [
      [1000, ""],
      [1001, "why"],
      [1011, ""],
      [4500, "ü".repeat(61)],
    ] as const) {
      const socket = stage.socket(stage.url("/close", { code, reason }));
      const events = record(socket);
      const close = await next(socket, "close");
      equal([close.code, close.reason, close.wasClean], [code, reason, true]);
      equal([events, socket.readyState], [["open", "close"], 3]);
    }
  }),

  step("connection closed: what the server sent before its close frame comes first", async (stage) => {
    const socket = stage.socket(stage.url("/close", { code: 1000, say: 3 }));
    const data: unknown[] = [];
    socket.onmessage = (event) => data.push(event.data);
    await next(socket, "close");
    equal(data, ["last 0", "last 1", "last 2"]);
  }),

  step("connection closed: without a close frame it is 1006, not clean", async (stage) => {
    const socket = await stage.open();
    const closed = next(socket, "close");
    await stage.log("drop");
    const { code, reason, wasClean } = await closed;
    equal(
      { code, reason, wasClean, readyState: socket.readyState },
      { code: 1006, reason: "", wasClean: false, readyState: 3 },
    );
  }),

  step("connection closed: CLOSED is set before the events, and nothing comes after close", async (stage) => {
    const socket = stage.socket(stage.url("/", {}, stage.env.refused));
    const states: unknown[] = [];
    socket.onerror = () => states.push(socket.readyState);
    socket.onclose = () => states.push(socket.readyState);
    await next(socket, "close");
    const events = record(socket);
    await new Promise((resolve) => setTimeout(resolve, 20));
    equal([states, events], [[3, 3], []]);
  }),
];
