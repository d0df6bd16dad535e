import { equal } from "../assert.ts";
import { next, record, type StepCase, step, thrown } from "./stage.ts";

const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
const BAD_TOKENS = ["", "a b", "a,b", "ä", "a/b", "\u0000", "(a)"];

/** The constructor, and what can be read of a socket. */
export const constructing: readonly StepCase[] = [
  step("get a URL record, step 1: `url` is the parsed URL, serialised", (stage) => {
    const { base } = stage.env;
    equal(stage.socket(`ws://${base}/echo/../echo?a b`).url, `ws://${base}/echo?a%20b`);
  }),

  step(
    "get a URL record, step 1: a relative URL is that of the page, and without a page it is a SyntaxError",
    (stage) => {
      const base = (globalThis as { location?: Location }).location?.href ?? "";
      const path = "/echo?x";
      // A page such as about:blank is no base for it.
      if (URL.canParse(path, base)) equal(stage.socket(path).url, new URL(path, base).href.replace(/^http/, "ws"));
      else
        equal(
          thrown(() => stage.socket(path)),
          "SyntaxError",
        );
    },
  ),

  step("get a URL record, step 2: a URL that can't be parsed is a SyntaxError", (stage) => {
    for (const url of ["ws://[", "http://"]) equal([url, thrown(() => stage.socket(url))], [url, "SyntaxError"]);
  }),

  step("get a URL record, steps 3 and 4: http: becomes ws:, and https: wss:", async (stage) => {
    const url = stage.url("/echo");
    const socket = stage.socket(url.replace(/^ws/, "http"));
    equal(socket.url, url);
    await next(socket, "open");
    const secure = stage.socket(`https://${stage.env.refused}/`);
    equal(secure.url, `wss://${stage.env.refused}/`);
  }),

  step("get a URL record, step 5: another scheme is a SyntaxError", (stage) => {
    for (const url of ["ftp://x.test/", "mailto:a@x.test", "data:text/plain,x"]) {
      equal([url, thrown(() => stage.socket(url))], [url, "SyntaxError"]);
    }
  }),

  step("get a URL record, step 6: a fragment is a SyntaxError, and so is an empty one", (stage) => {
    for (const fragment of ["#part", "#"]) {
      equal([fragment, thrown(() => stage.socket(stage.url("/echo") + fragment))], [fragment, "SyntaxError"]);
    }
  }),

  step("the constructor takes a URL object", async (stage) => {
    const url = stage.url("/echo");
    const socket = stage.socket(new URL(url) as unknown as string);
    equal(socket.url, url);
    await next(socket, "open");
  }),

  step("the constructor needs `new`, and one argument", (stage) => {
    const call = stage.WebSocket as unknown as (url: string) => unknown;
    const construct = stage.WebSocket as unknown as new () => unknown;
    equal([thrown(() => call(stage.url("/echo"))), thrown(() => new construct())], ["TypeError", "TypeError"]);
    equal(stage.WebSocket.length, 1);
  }),

  step("the constructor, step 3: a string is one subprotocol", async (stage) => {
    const socket = stage.socket(stage.url("/protocol", { select: "one" }), "one");
    await next(socket, "open");
    equal(socket.protocol, "one");
    equal((await stage.log()).headers["sec-websocket-protocol"], "one");
  }),

  step("the constructor, step 4: a subprotocol that is no token is a SyntaxError", (stage) => {
    for (const name of BAD_TOKENS) {
      equal([name, thrown(() => stage.socket(stage.url("/protocol"), name))], [name, "SyntaxError"]);
    }
    equal(
      thrown(() => stage.socket(stage.url("/protocol"), ["good", "a b"])),
      "SyntaxError",
    );
  }),

  step("the constructor, step 4: a subprotocol that is given twice is a SyntaxError", (stage) => {
    equal(
      thrown(() => stage.socket(stage.url("/protocol"), ["one", "two", "one"])),
      "SyntaxError",
    );
  }),

  step("the constructor reads its arguments before it connects: a bad one connects nothing", async (stage) => {
    thrown(() => stage.socket(stage.url("/protocol"), ["one", "one"]));
    thrown(() => stage.socket(`${stage.url("/echo")}#part`));
    await new Promise((resolve) => setTimeout(resolve, 20));
    equal((await stage.log()).upgrades, 0);
  }),

  step("the constants are on the class, its prototype and each socket, and can't be changed", (stage) => {
    const { WebSocket } = stage;
    const socket = stage.socket();
    for (const place of [WebSocket, WebSocket.prototype, socket]) {
      const { CONNECTING, OPEN, CLOSING, CLOSED } = place;
      equal({ CONNECTING, OPEN, CLOSING, CLOSED }, STATES);
    }
    equal(
      thrown(() => Object.assign(WebSocket, { OPEN: 7 })),
      "TypeError",
    );
    equal(WebSocket.OPEN, 1);
  }),

  step("a new socket is CONNECTING, with nothing selected and nothing buffered", (stage) => {
    const { readyState, protocol, extensions, bufferedAmount, binaryType, onopen, onmessage, onerror, onclose } =
      stage.socket();
    equal(
      { readyState, protocol, extensions, bufferedAmount, binaryType, onopen, onmessage, onerror, onclose },
      {
        readyState: 0,
        protocol: "",
        extensions: "",
        bufferedAmount: 0,
        binaryType: "blob",
        onopen: null,
        onmessage: null,
        onerror: null,
        onclose: null,
      },
    );
  }),

  step("attributes that only read refuse to be set", (stage) => {
    const socket = stage.socket();
    for (const name of ["url", "readyState", "protocol", "extensions", "bufferedAmount"]) {
      equal([name, thrown(() => Object.assign(socket, { [name]: 7 }))], [name, "TypeError"]);
    }
  }),

  step("`binaryType` keeps its value when it is set to what is neither", (stage) => {
    const socket = stage.socket();
    for (const value of ["arraybuffer", "nonsense", "", "Blob", "blob"] as BinaryType[]) socket.binaryType = value;
    equal(socket.binaryType, "blob");
    socket.binaryType = "arraybuffer";
    (socket as { binaryType: unknown }).binaryType = null;
    equal(socket.binaryType, "arraybuffer");
  }),

  step("connection established, steps 1 to 4: OPEN, with the subprotocol, before the open event", async (stage) => {
    const socket = stage.socket(stage.url("/protocol", { select: "two" }), ["one", "two"]);
    const seen = new Promise((resolve) => {
      socket.onopen = () => resolve([socket.readyState, socket.protocol]);
    });
    equal(await seen, [1, "two"]);
  }),

  step("establish a connection: none of the offered subprotocols selected fails it", async (stage) => {
    const socket = stage.socket(stage.url("/protocol"), ["one", "two"]);
    const events = record(socket);
    const { code, wasClean } = await next(socket, "close");
    equal([events, code, wasClean, socket.readyState], [["error", "close"], 1006, false, 3]);
  }),

  step("establish a connection: a subprotocol that was not offered fails it", async (stage) => {
    for (const protocols of [undefined, ["one", "two"]]) {
      const socket = stage.socket(stage.url("/protocol", { claim: "three" }), protocols);
      const events = record(socket);
      const { code, wasClean } = await next(socket, "close");
      equal([protocols, events, code, wasClean], [protocols, ["error", "close"], 1006, false]);
    }
  }),

  step("establish a connection: a status other than 101 fails it", async (stage) => {
    for (const status of [301, 400, 503]) {
      const socket = stage.socket(stage.url("/status", { code: status }));
      const events = record(socket);
      const { code, reason, wasClean } = await next(socket, "close");
      equal([status, events, code, reason, wasClean], [status, ["error", "close"], 1006, "", false]);
    }
  }),

  step("connection established, step 2: `extensions` are those that were agreed on, here none", async (stage) => {
    equal((await stage.open()).extensions, "");
  }),

  step("establish a connection: a refused one fails", async (stage) => {
    const socket = stage.socket(stage.url("/", {}, stage.env.refused));
    const events = record(socket);
    const { code, wasClean } = await next(socket, "close");
    equal([events, code, wasClean], [["error", "close"], 1006, false]);
  }),
];
