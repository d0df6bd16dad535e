import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

interface Trace {
  /** The globals that were read while the modules were loaded. */
  readonly byImport: readonly string[];
  /** And what was read afterwards. */
  readonly byUse: readonly string[];
  readonly states: readonly string[];
  /** The resources that hold the process and did not before. */
  readonly held: readonly string[];
}

/** Runs `use` on a server that renders pages: what belongs to a page records who reads it, and is not there. */
function render(condition: string, use: string): Trace {
  const program = `
    const read = new Set();
    for (const name of [
      "window", "self", "document", "navigator", "location", "WebSocket", "Event", "EventTarget", "MessageEvent",
      "addEventListener", "removeEventListener", "dispatchEvent", "postMessage", "fetch", "XMLHttpRequest",
      "localStorage", "sessionStorage", "indexedDB", "requestAnimationFrame", "requestIdleCallback",
    ]) {
      Object.defineProperty(globalThis, name, {
        configurable: true,
        get: () => void read.add(name),
        set: () => void read.add("set " + name),
      });
    }
    const reads = () => { const names = [...read].sort(); read.clear(); return names; };
    const before = process.getActiveResourcesInfo();
    const globals = Object.getOwnPropertyNames(globalThis);
    const { Conn, json, text, readable, writable } = await import("tautline");
    const { resume } = await import("tautline/resume");
    const byImport = reads();
    const conns = [];
    ${use}
    await new Promise((resolve) => setImmediate(resolve));
    const held = process.getActiveResourcesInfo();
    for (const resource of before) if (held.includes(resource)) held.splice(held.indexOf(resource), 1);
    held.push(...Object.getOwnPropertyNames(globalThis).filter((name) => !globals.includes(name)));
    console.log(JSON.stringify({ byImport, byUse: reads(), states: conns.map(({ state }) => state), held }));
    if (${use === DIAL}) process.exit();
  `;
  // The program ends by itself: whatever it leaves behind would hold it until the time is over.
  const flags = ["--input-type=module", `--conditions=${condition}`, "-e", program];
  return JSON.parse(execFileSync(process.execPath, flags, { cwd: ROOT, encoding: "utf8", timeout: 10_000 }));
}

const CONSTRUCT = `
  conns.push(new Conn("wss://example.com/", { codec: json(), autoConnect: false }));
  conns.push(new Conn(() => "/relative", { codec: text, resume: resume(), autoConnect: false }));
  for (const conn of conns) {
    conn.on("message", () => {});
    conn.on("state", () => {});
  }
  readable(new Conn("wss://example.com/", { autoConnect: false }));
  writable(new Conn("wss://example.com/", { autoConnect: false }));
`;
const DIAL = 'conns.push(new Conn("ws://127.0.0.1:9/"));';

test.each(["node", "browser"])(
  "a Conn made on a server reads no global and leaves nothing, built for %s",
  (condition) => {
    const trace = render(condition, CONSTRUCT);
    expect(trace.byUse).toEqual([]);
    expect(trace.states).toEqual(["idle", "idle"]);
    expect(trace.held).toEqual([]);
    expect(trace.byImport).toEqual([]);
  },
);

test("a Conn that dials would be caught", () => {
  const { byUse } = render("browser", DIAL);
  expect(byUse).toContain("WebSocket");
  const { held } = render("node", DIAL);
  expect(held).toContain("Timeout");
});
