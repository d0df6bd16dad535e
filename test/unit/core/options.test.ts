import { inspect } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { resolveOptions } from "../../../src/core/options.ts";
import { Conn, type ConnError, type ConnOptions, json } from "../../../src/index.ts";
import { createConn, settleMicrotasks, thrown, useFakeTime } from "../../support/conn.ts";
import { fakeNet } from "../../support/fake-socket.ts";

useFakeTime();

const make = (options: object, url: unknown = "ws://x.test/") =>
  new Conn(url as string, { WebSocket: fakeNet().WebSocket, autoConnect: false, ...options });

const NUMBERS = [
  "maxPayloadBytes",
  "maxSendBytes",
  "connectTimeoutMs",
  "closeTimeoutMs",
  "stableAfterMs",
  "maxRetries",
  "giveUpAfterMs",
  "outbox.maxBytes",
  "outbox.maxMessages",
  "outbox.highWaterMark",
  "inbox.maxBytes",
  "inbox.highWaterMark",
  "heartbeat.intervalMs",
  "heartbeat.timeoutMs",
];

/** The times that a timer waits, whose longest wait is 2^31 - 1 ms. */
const TIMERS = ["connectTimeoutMs", "closeTimeoutMs", "heartbeat.intervalMs", "heartbeat.timeoutMs"];

/** `{ a: { b: value } }` for `a.b`. */
function at(path: string, value: unknown): object {
  return path.split(".").reduceRight((inner, name) => ({ [name]: inner }), value) as object;
}

function expectRefusal(name: string, value: unknown, range: RegExp): void {
  const error = thrown(() => make(at(name, value))) as ConnError;
  expect(error).toMatchObject({ name: "ConnError", code: "bad-option" });
  expect(error.message).toContain(name);
  expect(error.message).toMatch(range);
  if (typeof value !== "object") expect(error.message).toContain(String(value));
}

describe.for(NUMBERS)("%s", (name) => {
  test.for([-1, Number.NaN, "5"])("can't be %s: the error names option, range and value", (value) => {
    expectRefusal(name, value, /number.*(at least [01]|above 0)/);
  });

  test.for([1, 1.5, Number.POSITIVE_INFINITY])("can be %d", (value) => {
    const isTimer = TIMERS.includes(name) && value === Number.POSITIVE_INFINITY;
    expect(resolveOptions(at(name, value))).toMatchObject(at(name, isTimer ? 2 ** 31 - 1 : value));
  });
});

describe("words", () => {
  test("of outbox.overflow are reject and drop-oldest", () => {
    for (const overflow of ["reject", "drop-oldest"] as const) {
      expect(resolveOptions({ outbox: { overflow } })).toMatchObject({ outbox: { overflow } });
    }
    for (const bad of ["close", "", "drop-newest", 5]) expectRefusal("outbox.overflow", bad, /reject.*drop-oldest/);
  });

  test("of inbox.overflow are close, drop-oldest and drop-newest", () => {
    for (const overflow of ["close", "drop-oldest", "drop-newest"] as const) {
      expect(resolveOptions({ inbox: { overflow } })).toMatchObject({ inbox: { overflow } });
    }
    for (const bad of ["reject", "", 5]) expectRefusal("inbox.overflow", bad, /close.*drop-oldest.*drop-newest/);
  });
});

describe("functions", () => {
  test.for(["backoff", "shouldRetry", "setup"])("%s can be nothing else", (name) => {
    for (const bad of [5, "x", {}, true]) expectRefusal(name, bad, /must be a function/);
  });

  test("a WebSocket is a class", () => {
    for (const bad of [5, "x", {}, true]) expectRefusal("WebSocket", bad, /must be a class/);
  });

  test("a codec has marshal and unmarshal", () => {
    const marshal = String;
    for (const codec of [{}, { marshal }, { unmarshal: String }, { marshal, unmarshal: 5 }]) {
      const error = thrown(() => make({ codec })) as ConnError;
      expect(error).toMatchObject({ code: "bad-option" });
      expect(error.message).toMatch(/codec.*marshal.*unmarshal/);
    }
  });

  test("ping and isPong come together", () => {
    for (const heartbeat of [{ ping: () => "ping" }, { isPong: () => true }]) {
      const error = thrown(() => make({ heartbeat })) as ConnError;
      expect(error).toMatchObject({ code: "bad-option" });
      expect(error.message).toMatch(/heartbeat.*ping.*isPong/);
    }
  });
});

test.for([
  ["protocols", 5],
  ["autoConnect", "no"],
  ["signal", {}],
  ["outbox", 5],
  ["inbox", true],
  ["heartbeat", true],
] as const)("%s can't be %o: the error names it", ([name, bad]) => {
  const error = thrown(() => make({ [name]: bad })) as ConnError;
  expect(error).toMatchObject({ name: "ConnError", code: "bad-option" });
  expect(error.message).toContain(name);
});

describe("protocols", () => {
  test.for([
    ["", 0],
    ["a SECRET", 0],
    ["a,SECRET", 0],
    ["SECRET\u00e9", 0],
    [["a", ""], 1],
    [["SECRET", "b", "SECRET"], 2],
    [["a", 5], 1],
    [[undefined], 0],
    [{}, 0],
  ] as const)(
    "can't be %j, which no platform takes: the error names the index and quotes nothing",
    ([protocols, at]) => {
      const error = thrown(() => make({ protocols })) as ConnError;
      expect(error).toMatchObject({ name: "ConnError", code: "bad-option" });
      expect(error.message).toBe(`protocols must be tokens, each once, or a function; the one at index ${at} is not.`);
    },
  );

  test.for([
    [[], []],
    ["graphql-transport-ws", ["graphql-transport-ws"]],
    [
      ["a", "A", "v1.json!#$%&'*+-.^_`|~"],
      ["a", "A", "v1.json!#$%&'*+-.^_`|~"],
    ],
    [() => "a", ["a"]],
  ] as const)("can be %j, and are offered", async ([protocols, offered]) => {
    const { net } = createConn({ protocols });
    await settleMicrotasks();
    expect(net.last.protocols).toEqual(offered);
  });

  test("of a function are asked for when the Conn dials, not before", () => {
    const protocols = vi.fn(() => ["a", "a"]);
    make({ protocols });
    expect(protocols).not.toHaveBeenCalled();
  });
});

test("undefined means the default, for every option", async () => {
  const names = [
    "codec",
    "protocols",
    "headers",
    "origin",
    "clientOptions",
    "backoff",
    "shouldRetry",
    "setup",
    "signal",
  ];
  const all = [
    ...names,
    "autoConnect",
    ...NUMBERS.filter((name) => !name.includes(".")),
    "outbox",
    "inbox",
    "heartbeat",
  ];
  const { conn, net } = createConn(Object.fromEntries(all.map((name) => [name, undefined])) as ConnOptions);
  await settleMicrotasks();
  expect(net.sockets).toHaveLength(1);
  expect(net.last.protocols).toEqual([]);
  net.last.open();
  await settleMicrotasks();
  expect(conn.state).toBe("open");
  expect(conn.maxPayloadBytes).toBe(32 * 2 ** 20);
});

test("undefined means the default, inside a group too", () => {
  const options = {
    outbox: { maxBytes: undefined, overflow: undefined },
    inbox: { highWaterMark: undefined },
    heartbeat: { intervalMs: undefined, ping: undefined, isPong: undefined },
  };
  expect(resolveOptions(options as object)).toEqual(resolveOptions({}));
});

test("what the caller changes in his options later changes nothing", async () => {
  const outbox = { maxMessages: 1 };
  const { conn } = createConn({ outbox });
  outbox.maxMessages = 0;
  conn.send("x");
  expect(conn.stats.outbox.messages).toBe(1);
});

describe("the URL", () => {
  test.for([
    "",
    "x.test",
    "//x.test?token=SECRET",
    "wss//x.test?token=SECRET",
    "wss://x.test:99999/?token=SECRET",
    "ftp://x.test/?token=SECRET",
    "wss://x.test/?token=SECRET#fragment",
    "javascript:SECRET",
    null,
    5,
  ])("can't be %s: the error does not quote it", (url) => {
    const error = thrown(() => make({}, url)) as ConnError;
    expect(error).toMatchObject({ name: "ConnError", code: "bad-url" });
    expect(error.message).not.toContain("SECRET");
  });

  test("is not quoted by the cause either, which ends up in logs", () => {
    const error = thrown(() => make({}, "wss//x.test?token=SECRET"));
    expect(inspect(error, { depth: 5 })).not.toContain("SECRET");
  });

  test.for([
    ["ws://x.test", "ws://x.test/"],
    ["http://x.test/a", "ws://x.test/a"],
    ["https://x.test/a?b", "wss://x.test/a?b"],
    [new URL("wss://x.test/"), "wss://x.test/"],
  ] as const)("can be %s", ([url, href]) => {
    expect(make({}, url).url).toBe(href);
  });

  test("is relative to the page where it is text, and what is no URL stays none", () => {
    vi.stubGlobal("location", { href: "https://x.test/a/b" });
    expect(make({}, "c").url).toBe("wss://x.test/a/c");
    for (const none of [null, 5, {}]) {
      expect(thrown(() => make({}, none))).toMatchObject({ code: "bad-url" });
    }
  });
});

describe("a name that does not exist", () => {
  test.for([
    [{ heartbeet: false }, "heartbeet is not an option: use heartbeat."],
    [{ maxRetry: 5 }, "maxRetry is not an option: use maxRetries."],
    [{ protocol: "chat" }, "protocol is not an option: use protocols."],
    [{ heartbeat: { interval: 5 } }, "heartbeat.interval is not an option: use intervalMs."],
    [{ outbox: { maxMessage: 5 } }, "outbox.maxMessage is not an option: use maxMessages."],
    [{ inbox: { overFlow: "close" } }, "inbox.overFlow is not an option: use overflow."],
  ])("%j is refused, with the nearest one", ([options, message]) => {
    expect(thrown(() => make(options as object))).toMatchObject({ code: "bad-option", message });
  });

  test("that resembles none is refused with all that exist", () => {
    const { message } = thrown(() => make({ outbox: { zz: 1 } })) as ConnError;
    expect(message).toBe("outbox.zz is not an option: use one of maxBytes, maxMessages, overflow, highWaterMark.");
  });

  test("is ignored where its value is undefined", () => {
    expect(resolveOptions({ heartbeet: undefined } as object)).toEqual(resolveOptions({}));
  });
});

describe("a mistake that many make", () => {
  test("a codec that was not called: the error names json()", () => {
    expect(thrown(() => make({ codec: json }))).toMatchObject({
      code: "bad-option",
      message: "codec must be an object with marshal() and unmarshal(), such as json(); got a function.",
    });
  });

  test.for([true, {}])("resume: %j: the error names resume()", (resume) => {
    const { code, message } = thrown(() => make({ resume })) as ConnError;
    expect(code).toBe("bad-option");
    expect(message).toMatch(/^resume must be resume\(\) from tautline\/resume; got /);
  });

  test("options that are no object", () => {
    for (const options of [null, "json", 5]) {
      const construct = () => new Conn("ws://x.test/", options as never);
      expect(thrown(construct)).toMatchObject({ code: "bad-option", message: /^The options must be an object; got / });
    }
  });
});

test("resolved options are frozen and own all their values, so that a copy loses none", () => {
  const resolved = resolveOptions({ maxRetries: 3 });
  expect(Object.isFrozen(resolved)).toBe(true);
  expect({ ...resolved }).toMatchObject({ maxRetries: 3, maxPayloadBytes: 32 * 2 ** 20, autoConnect: true });
  expect(Object.isFrozen(resolved.outbox)).toBe(true);
});

test("Conns that differ in nothing from the defaults share one object for their options", () => {
  expect(resolveOptions({ maxRetries: Number.POSITIVE_INFINITY, setup: undefined })).toBe(resolveOptions({}));
  expect(resolveOptions({ maxRetries: 3 })).not.toBe(resolveOptions({}));
});

test.for(TIMERS)("%s beyond what a timer holds counts as the longest wait that it does", (name) => {
  expect(resolveOptions(at(name, 2 ** 31))).toMatchObject(at(name, 2 ** 31 - 1));
});

describe("what only Node can do", () => {
  test.for([
    ["headers", { a: "b" }],
    ["headers", () => ({})],
    ["origin", "https://x.test"],
    ["clientOptions", {}],
  ] as const)("%s throws unsupported where the WebSocket class is a browser's", ([name, value]) => {
    const error = thrown(() => make({ [name]: value })) as ConnError;
    expect(error).toMatchObject({ name: "ConnError", code: "unsupported" });
    expect(error.message).toContain(name);
  });
});
