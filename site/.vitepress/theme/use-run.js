import { onBeforeUnmount, ref, shallowRef } from "vue";
import { faults, run } from "./playground.js";

const SHOW_EVERY_MS = 200;
const MAX_LINES = 200;

/**
 * Runs code of the playground, one run at a time: its Conns are traced, its fake server is broken by the buttons, and its
 * timers end with the run.
 */
export function useRun() {
  const figures = ref({});
  const lines = ref([]);
  const output = ref([]);
  const state = ref("idle");
  const failure = ref("");
  const server = shallowRef();
  let stop = () => {};

  async function start(code) {
    stop();
    figures.value = {};
    lines.value = [];
    output.value = [];
    failure.value = "";
    state.value = "idle";
    server.value = undefined;

    const timers = new Set();
    const conns = new Set();
    let isOver = false;
    let record;
    const fail = (error) => {
      if (isOver) return;
      failure.value = `${error?.name ?? "Error"}: ${error?.message ?? error}`;
      stop();
    };
    const guarded = (act) => () => {
      try {
        act();
      } catch (error) {
        fail(error);
      }
    };
    const timer = (begin) => (act, ms) => {
      const id = isOver ? undefined : begin(guarded(act), ms);
      timers.add(id);
      return id;
    };
    const print = (...values) => {
      if (isOver) return;
      const text = values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(" ");
      output.value = [text, ...output.value].slice(0, MAX_LINES);
    };
    stop = () => {
      isOver = true;
      for (const id of timers) clearTimeout(id);
      record?.stop();
      for (const conn of conns) if (conn.state !== "closed") conn.close();
      server.value = undefined;
    };
    try {
      const [core, resume, fake, rpc, store, trace] = await Promise.all([
        import("tautline"),
        import("tautline/resume"),
        import("tautline/testing/fake"),
        import("tautline/rpc"),
        import("tautline/store"),
        import("tautline/trace"),
      ]);
      if (isOver) return;
      class Conn extends core.Conn {
        constructor(...args) {
          super(...args);
          conns.add(this);
          record?.stop();
          record = trace.trace(this, { last: MAX_LINES });
        }
      }
      const fakeServer = (options) => {
        server.value = fake.fakeServer(options);
        return server.value;
      };
      timers.add(
        setInterval(() => {
          const conn = [...conns].at(-1);
          state.value = conn?.state ?? "idle";
          if (record) lines.value = record.entries.map(({ at, event, text }) => ({ at, event, text })).reverse();
        }, SHOW_EVERY_MS),
      );
      const modules = {
        tautline: { ...core, Conn },
        "tautline/resume": resume,
        "tautline/testing/fake": { ...fake, fakeServer },
        "tautline/rpc": rpc,
        "tautline/store": store,
        "tautline/trace": trace,
      };
      const show = (values) => {
        if (!isOver) figures.value = { ...values };
      };
      const tools = {
        show,
        setInterval: timer((act, ms) => setInterval(act, ms)),
        setTimeout: timer((act, ms) => setTimeout(act, ms)),
        console: { log: print, warn: print, error: print },
      };
      await run(code, { modules, tools });
    } catch (error) {
      fail(error);
    }
  }

  function cause(name) {
    if (server.value) faults[name].act(server.value);
  }

  onBeforeUnmount(() => stop());
  return { figures, lines, output, state, failure, server, start, cause };
}
