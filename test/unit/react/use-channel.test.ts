import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { act } from "react-test-renderer";
import { describe, expect, test, vi } from "vitest";
import type { ChannelState } from "../../../src/react/index.ts";
import { useChannel, useMessage, useStore } from "../../../src/react/index.ts";
import { store } from "../../../src/store/index.ts";
import { at, ScriptedHub } from "../../support/scripted-hub.ts";
import { advance, component, render, setUpReact, strict } from "./rendering.ts";

setUpReact();

/** Lets what was subscribed or sent in this turn happen, renders included. */
const settle = () =>
  act(async () => {
    await vi.advanceTimersByTimeAsync(0);
  });

/** Runs `act` of the server, renders included. */
async function serve(step: () => void): Promise<void> {
  await act(async () => step());
  await settle();
}

/** A component that shows `use`, and the last state that it got. */
function channelComponent(use: () => ChannelState<number>) {
  const shown = { last: undefined as unknown as ChannelState<number> };
  const Shown = component(() => {
    shown.last = use();
    return shown.last.state;
  });
  return { shown, Shown };
}

describe("useChannel()", () => {
  test("shows the state, the members and the gaps, and a message renders nothing", async () => {
    const hub = new ScriptedHub();
    const { shown, Shown } = channelComponent(() => {
      const state = useChannel<number>(hub.live, "a", { presence: true });
      useMessage(state.channel, () => {});
      return state;
    });
    render(createElement(Shown));
    expect([shown.last.state, shown.last.gaps, shown.last.memberCount]).toEqual(["attaching", 0, 0]);
    await settle();
    await serve(() => hub.attach("a", at(5)));
    expect([shown.last.state, shown.last.position]).toEqual(["attached", at(5)]);
    await serve(() => hub.notify("$/members", "a", [["ann", { name: "Ann" }]], null, 1));
    expect([[...shown.last.members], shown.last.memberCount]).toEqual([[["ann", { name: "Ann" }]], 1]);
    const { renders } = Shown;
    await serve(() => hub.message("a", 6, 7, 8));
    expect(Shown.renders).toBe(renders);
    await serve(() => hub.notify("$/attached", "a", at(50), at(50), true));
    expect([shown.last.gaps, shown.last.position]).toEqual([1, at(50)]);
    await serve(() => hub.conn.drop());
    expect(shown.last.state).toBe("attaching");
  });

  test("gives useMessage() and a store the messages, those from before the first listener too", async () => {
    const hub = new ScriptedHub();
    const seen: number[] = [];
    const Shown = component(() => {
      const { channel } = useChannel<number>(hub.live, "a");
      useMessage(channel, ({ data }) => seen.push(data));
    });
    render(createElement(Shown));
    await settle();
    await serve(() => {
      hub.attach("a", at(5));
      hub.message("a", 6, 7);
    });
    expect(seen).toEqual([6, 7]);

    const room = hub.live.subscribe<number>("b");
    const sum = store(room, 0, (now, { data }) => now + data);
    const Sum = component(() => useStore(sum));
    const screen = render(createElement(Sum));
    await settle();
    await serve(() => {
      hub.attach("b", at(1));
      hub.message("b", 2, 3);
    });
    advance(0);
    expect(screen.shown).toMatchObject({ children: ["5"] });
  });

  test("shows why the subscription has ended", async () => {
    const hub = new ScriptedHub();
    const { shown, Shown } = channelComponent(() => useChannel<number>(hub.live, "a"));
    render(createElement(Shown));
    await settle();
    await serve(() => {
      hub.answer("$/subscribe");
    });
    await serve(() => hub.notify("$/refused", "a", "denied"));
    expect([shown.last.state, shown.last.error]).toEqual(["closed", expect.objectContaining({ code: "denied" })]);
  });

  test("subscribes once under StrictMode, and gives up after it lingered", async () => {
    const hub = new ScriptedHub();
    const { Shown } = channelComponent(() => useChannel<number>(hub.live, "a"));
    const screen = render(strict(createElement(Shown)));
    await settle();
    await serve(() => hub.attach("a", at(5)));
    expect(hub.sent.map(([method]) => method)).toEqual(["$/subscribe"]);
    screen.render(null);
    advance(999);
    await settle();
    expect(hub.sent.length).toBe(1);
    advance(1);
    await settle();
    expect(hub.sent.at(-1)).toEqual(["$/unsubscribe", ["a"]]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("keeps the subscription of a component that is mounted again in time, with what came meanwhile", async () => {
    const hub = new ScriptedHub();
    let name: string | null = "a";
    const { shown, Shown } = channelComponent(() => useChannel<number>(hub.live, name));
    const screen = render(createElement(Shown));
    await settle();
    await serve(() => hub.attach("a", at(5)));
    const { channel } = shown.last;
    name = null;
    screen.render(createElement(Shown));
    expect(shown.last.channel).toBe(null);
    advance(500);
    name = "a";
    screen.render(createElement(Shown));
    advance(60_000);
    await settle();
    expect(shown.last.channel).toBe(channel);
    expect(hub.sent.length).toBe(1);
  });

  test("follows a name that is flipped 100 times with one subscription left, and shows no other's state", async () => {
    const hub = new ScriptedHub();
    let name = "c0";
    const { shown, Shown } = channelComponent(() => useChannel<number>(hub.live, name, { lingerMs: 10 }));
    const screen = render(createElement(Shown));
    for (let n = 1; n <= 100; n++) {
      name = `c${n}`;
      screen.render(createElement(Shown));
      expect(shown.last.channel?.channel ?? name).toBe(name);
      advance(5);
      await settle();
    }
    advance(1_000);
    await settle();
    hub.reopen();
    expect(hub.asked.at(-1)).toEqual({ c100: {} });
  });

  test("subscribes anew where the subscription has ended, when the name comes back", async () => {
    const hub = new ScriptedHub();
    let name: string | null = "a";
    const { shown, Shown } = channelComponent(() => useChannel<number>(hub.live, name));
    const screen = render(createElement(Shown));
    await settle();
    await serve(() => hub.answer("$/subscribe"));
    await serve(() => hub.notify("$/refused", "a", "revoked"));
    for (const next of [null, "a"]) {
      name = next;
      screen.render(createElement(Shown));
    }
    await settle();
    expect([hub.asked.length, shown.last.state, shown.last.error]).toEqual([2, "attaching", undefined]);
  });

  test("calls the load of the newest render", async () => {
    const hub = new ScriptedHub();
    const loads: number[] = [];
    let version = 1;
    const { Shown } = channelComponent(() => {
      const mine = version;
      const load = () => {
        loads.push(mine);
        return undefined;
      };
      return useChannel<number>(hub.live, "a", { load });
    });
    const screen = render(createElement(Shown));
    await settle();
    version = 2;
    screen.render(createElement(Shown));
    await serve(() => hub.attach("a", at(5)));
    expect(loads).toEqual([2]);
  });

  test("does nothing for null, and on a server: no frame, no timer, the state before the first", () => {
    const hub = new ScriptedHub();
    const { shown, Shown } = channelComponent(() => useChannel<number>(null, "a"));
    render(createElement(Shown));
    expect(shown.last).toMatchObject({ channel: null, state: "attaching" });
    function Page() {
      const { channel, state, memberCount } = useChannel(hub.live, "a");
      return createElement("p", null, `${channel} ${state} ${memberCount}`);
    }
    expect(renderToString(createElement(Page))).toBe("<p>null attaching 0</p>");
    expect([hub.sent, vi.getTimerCount()]).toEqual([[], 0]);
  });

  test.each([
    ["a name of another type", () => useChannel(new ScriptedHub().live, 7 as never), "misuse"],
    ["a Conn in place of channels", () => useChannel(new ScriptedHub().conn as never, "a"), "misuse"],
    ["a linger of another type", () => useChannel(null, "a", { lingerMs: -1 }), "bad-option"],
  ])("refuses %s with a clear error", (_, use, code) => {
    const Shown = component(use);
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(() => render(createElement(Shown))).toThrow(expect.objectContaining({ code }));
  });

  test("is a misuse outside a component", () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(() => useChannel(null, null)).toThrow(expect.objectContaining({ code: "misuse" }));
  });
});
