import { equal, ok } from "../assert.ts";
import { next, type StepCase, step, task, thrown, uncaught } from "./stage.ts";

/** Events, and how listeners are called. */
export const dispatching: readonly StepCase[] = [
  step("an event has its socket as target, and as `this` of the listener", async (stage) => {
    const socket = stage.socket();
    const event = await new Promise<Event>((resolve) => {
      socket.addEventListener("open", function (this: WebSocket, open) {
        equal(
          [this === socket, open.target === socket, open.currentTarget === socket, open.eventPhase],
          [true, true, true, 2],
        );
        resolve(open);
      });
    });
    await task();
    const { type, bubbles, cancelable, defaultPrevented, currentTarget, eventPhase } = event;
    equal(
      { type, bubbles, cancelable, defaultPrevented, currentTarget, eventPhase, isTarget: event.target === socket },
      {
        type: "open",
        bubbles: false,
        cancelable: false,
        defaultPrevented: false,
        currentTarget: null,
        eventPhase: 0,
        isTarget: true,
      },
    );
    event.preventDefault();
    event.stopPropagation();
    equal([event.defaultPrevented, event.composedPath().length], [false, 0]);
  }),

  step("an event is trusted, is not composed, and is on the way to its socket only", async (stage) => {
    const socket = stage.socket();
    const seen = new Promise((resolve) => {
      socket.onopen = (event) => {
        const { isTrusted, composed, returnValue, cancelBubble, timeStamp, srcElement } = event;
        const path = event.composedPath();
        resolve({
          isTrusted,
          composed,
          returnValue,
          cancelBubble,
          isTimed: timeStamp > 0,
          isSource: srcElement === socket,
          path: [path.length, path[0] === socket],
        });
      };
    });
    equal(await seen, {
      isTrusted: true,
      composed: false,
      returnValue: true,
      cancelBubble: false,
      isTimed: true,
      isSource: true,
      path: [1, true],
    });
  }),

  step("what a listener throws is reported, and disturbs no other listener and no message", async (stage) => {
    const socket = await stage.open();
    const calls: string[] = [];
    const errors = await uncaught(async () => {
      socket.onmessage = () => {
        throw new Error("thrown by the handler");
      };
      socket.addEventListener("message", ({ data }) => calls.push(data));
      for (const text of ["1", "2"]) {
        const message = next(socket, "message");
        socket.send(text);
        await message;
        await task();
      }
    });
    equal(
      [errors, calls],
      [
        ["thrown by the handler", "thrown by the handler"],
        ["1", "2"],
      ],
    );
  }),

  step("events are instances of the platform's classes, where there are any", async (stage) => {
    const socket = stage.socket();
    const open = await next(socket, "open");
    const message = next(socket, "message");
    socket.send("text");
    const close = next(socket, "close");
    const messageEvent = await message;
    socket.close();
    const closeEvent = await close;
    const { Event, MessageEvent, CloseEvent, EventTarget } = globalThis;
    for (const [value, Class] of [
      [open, Event],
      [messageEvent, Event],
      [messageEvent, MessageEvent],
      [closeEvent, Event],
      [closeEvent, CloseEvent],
      [socket, EventTarget],
      [socket, stage.WebSocket],
    ] as const) {
      if (Class) ok(value instanceof Class, `It is no ${Class.name}.`);
    }
  }),

  step("a socket and its events can be inspected, and enumerated", async (stage) => {
    const socket = stage.socket();
    const open = await next(socket, "open");
    const { process } = globalThis as { process?: { getBuiltinModule?(name: string): typeof import("node:util") } };
    const inspect = process?.getBuiltinModule?.("node:util").inspect ?? String;
    for (const value of [socket, open]) {
      ok(inspect(value).length > 0, "Nothing was shown.");
      for (const name in value) void Reflect.get(value, name);
    }
  }),

  step("a message event tells the origin of the URL, and has no source and no ports", async (stage) => {
    const socket = await stage.open("/first-message", { count: 0 });
    const message = next(socket, "message");
    socket.send("text");
    const { data, origin, lastEventId, source, ports } = await message;
    equal(
      { data, origin, lastEventId, source, ports },
      { data: "text", origin: `ws://${stage.env.base}`, lastEventId: "", source: null, ports: [] },
    );
  }),

  step("a handler attribute and a listener are given the same event", async (stage) => {
    const socket = stage.socket();
    const events: Event[] = [];
    socket.onopen = (event) => events.push(event);
    socket.addEventListener("open", (event) => events.push(event));
    await next(socket, "open");
    equal([events.length, events[0] === events[1]], [2, true]);
  }),

  step("listeners are called in the order of their registration, handler attributes among them", async (stage) => {
    const socket = stage.socket();
    const calls: string[] = [];
    socket.addEventListener("open", () => calls.push("first"));
    socket.onopen = () => calls.push("replaced");
    socket.addEventListener("open", () => calls.push("third"));
    socket.onopen = () => calls.push("attribute");
    await next(socket, "open");
    await task();
    equal(calls, ["first", "attribute", "third"]);
  }),

  step("a handler attribute that was null in between goes to the end", async (stage) => {
    const socket = stage.socket();
    const calls: string[] = [];
    socket.onopen = () => calls.push("attribute");
    socket.addEventListener("open", () => calls.push("listener"));
    socket.onopen = null;
    socket.onopen = () => calls.push("again");
    await next(socket, "open");
    await task();
    equal(calls, ["listener", "again"]);
  }),

  step("a handler attribute is null after what is no object, and keeps a function", (stage) => {
    const socket = stage.socket();
    const handler = () => {};
    socket.onmessage = handler;
    equal(socket.onmessage === handler, true);
    for (const value of [7, "text", undefined, null]) {
      socket.onmessage = handler;
      (socket as { onmessage: unknown }).onmessage = value;
      equal([value, socket.onmessage], [value, null]);
    }
  }),

  step("an object with handleEvent is a listener, with itself as `this`, looked up at each event", async (stage) => {
    const socket = stage.socket();
    const listener = { calls: 0, handleEvent() {} };
    socket.addEventListener("open", listener);
    listener.handleEvent = function (this: { calls: number }) {
      this.calls++;
    };
    await next(socket, "open");
    equal(listener.calls, 1);
  }),

  step("a listener that is added twice is called once, and capture tells two apart", async (stage) => {
    const socket = stage.socket();
    let calls = 0;
    const count = () => calls++;
    socket.addEventListener("open", count);
    socket.addEventListener("open", count);
    socket.addEventListener("open", count, true);
    socket.addEventListener("open", count, { capture: true });
    await next(socket, "open");
    await task();
    equal(calls, 2);
  }),

  step("a removed listener is not called, also when it is removed during the event", async (stage) => {
    const socket = stage.socket();
    const calls: string[] = [];
    const second = () => calls.push("second");
    socket.addEventListener("open", () => {
      calls.push("first");
      socket.removeEventListener("open", second);
      socket.addEventListener("open", () => calls.push("late"));
    });
    socket.addEventListener("open", second);
    await next(socket, "open");
    await task();
    equal(calls, ["first"]);
  }),

  step("`once` and `signal` end a listener", async (stage) => {
    const socket = await stage.open();
    const controller = new AbortController();
    const calls: string[] = [];
    socket.addEventListener("message", () => calls.push("once"), { once: true });
    socket.addEventListener("message", () => calls.push("signal"), { signal: controller.signal });
    socket.addEventListener("message", () => calls.push("never"), { signal: AbortSignal.abort() });
    socket.addEventListener("message", () => calls.push("always"));
    for (const text of ["1", "2"]) {
      const message = next(socket, "message");
      socket.send(text);
      await message;
      controller.abort();
    }
    equal(calls, ["once", "signal", "always", "always"]);
  }),

  step("stopImmediatePropagation() ends the calls for one event", async (stage) => {
    const socket = stage.socket();
    const calls: string[] = [];
    const done = next(socket, "open");
    socket.addEventListener("open", (event) => {
      calls.push("first");
      event.stopImmediatePropagation();
    });
    socket.addEventListener("open", () => calls.push("second"));
    await done;
    await task();
    equal(calls, ["first"]);
  }),

  step("addEventListener() ignores null, and refuses what is no object", (stage) => {
    const socket = stage.socket();
    socket.addEventListener("open", null as never);
    equal(
      thrown(() => socket.addEventListener("open", 7 as never)),
      "TypeError",
    );
  }),

  step("dispatchEvent() is the target of the event, and heeds it when it is stopped or cancelled", (stage) => {
    const socket = stage.socket();
    const seen: unknown[] = [];
    socket.addEventListener("custom", (event) => {
      seen.push(event.target === socket, event.currentTarget === socket);
      event.preventDefault();
      event.stopImmediatePropagation();
    });
    socket.addEventListener("custom", () => seen.push("after stopImmediatePropagation()"));
    const isDone = socket.dispatchEvent(new Event("custom", { cancelable: true }));
    equal([seen, isDone], [[true, true], false]);
  }),

  step("dispatchEvent() calls the listeners of that type, and refuses what is no event", (stage) => {
    const socket = stage.socket();
    const types: string[] = [];
    socket.addEventListener("custom", ({ type }) => types.push(type));
    equal(socket.dispatchEvent(new Event("custom")), true);
    equal([types, thrown(() => socket.dispatchEvent("custom" as never))], [["custom"], "TypeError"]);
  }),
];
