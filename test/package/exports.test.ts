import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

/** The names that a program can import, types aside. */
const NAMES: Record<string, readonly string[]> = {
  tautline: [
    "Codec",
    "Conn",
    "ConnError",
    "bytes",
    "exponential",
    "fatal",
    "json",
    "message",
    "readable",
    "text",
    "writable",
  ],
  "tautline/resume": ["resume"],
  "tautline/rpc": ["RpcError", "rpc"],
  "tautline/channels": ["channels"],
  "tautline/store": ["status", "store"],
  "tautline/react": ["useChannel", "useConn", "useMessage", "useStatus", "useStore"],
  "tautline/trace": ["trace"],
  "tautline/websocket": ["ReconnectingWebSocket", "asWebSocket", "webSocket"],
  "tautline/codec/validated": ["validated"],
  "tautline/codec/compressed": ["compressed"],
  "tautline/codec/msgpack": ["msgpack"],
  "tautline/codec/cbor": ["cbor"],
  "tautline/server": ["handle", "handler", "refuse"],
  "tautline/hub": ["hub", "memoryEngine"],
  "tautline/engines/redis": ["redisEngine"],
  "tautline/testing": ["faultProxy"],
  "tautline/testing/fake": ["fakeServer"],
};

/** Runs a program in Node itself, since Vitest resolves and loads modules its own way. */
function node(program: string, ...flags: string[]): unknown {
  return JSON.parse(execFileSync(process.execPath, [...flags, "-e", program], { cwd: ROOT, encoding: "utf8" }));
}

const imported = (entry: string, ...flags: string[]) =>
  node(
    `import * as all from "${entry}"; console.log(JSON.stringify(Object.keys(all).sort()))`,
    "--input-type=module",
    ...flags,
  );
const required = (entry: string, ...flags: string[]) =>
  node(`console.log(JSON.stringify(Object.keys(require("${entry}")).sort()))`, "--input-type=commonjs", ...flags);

test.each(Object.keys(NAMES))("%s has the listed names in Node, imported and required", (entry) => {
  expect(imported(entry)).toEqual(NAMES[entry]);
  expect(required(entry)).toEqual(NAMES[entry]);
});

const nodeOnly = ["tautline/server", "tautline/hub", "tautline/engines/redis", "tautline/testing"];
const anywhere = Object.keys(NAMES).filter((entry) => !nodeOnly.includes(entry));

test.each(anywhere)("%s has the listed names in a bundle for browsers, imported and required", (entry) => {
  expect(imported(entry, "--conditions=browser")).toEqual(NAMES[entry]);
  expect(required(entry, "--conditions=browser")).toEqual(NAMES[entry]);
});

const elsewhere = nodeOnly.flatMap((entry) => ["browser", "workerd"].map((condition) => [entry, condition] as const));

test.each(nodeOnly)("%s has the listed names for Deno, which has Node's API", (entry) => {
  expect(imported(entry, "--conditions=deno")).toEqual(NAMES[entry]);
});

test.each(elsewhere)("%s is not there for %s", (entry, condition) => {
  expect(
    node(
      `import("${entry}").then(() => "loaded", (error) => error.code).then((it) => console.log(JSON.stringify(it)))`,
      `--conditions=${condition}`,
    ),
  ).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED");
});

test("the script build puts the listed names on one global", () => {
  const page = { URL, TextEncoder, TextDecoder, setTimeout, clearTimeout, queueMicrotask };
  const before = Object.keys(page);
  const context = createContext({ ...page });
  runInContext(readFileSync(join(ROOT, "dist/tautline.min.js"), "utf8"), context);
  expect(Object.keys(context).filter((name) => !before.includes(name))).toEqual(["Tautline"]);
  expect(Object.keys(context.Tautline).sort()).toEqual(NAMES.tautline);
});

test.each(["testing/fake", "websocket"])("the script build of %s adds its names to that global", (entry) => {
  const page = { URL, TextEncoder, TextDecoder, setTimeout, clearTimeout, queueMicrotask };
  const context = createContext({ ...page, Tautline: { Conn: "there" } });
  const file = `dist/tautline-${entry.split("/").at(-1)}.min.js`;
  runInContext(readFileSync(join(ROOT, file), "utf8"), context);
  expect(Object.keys(context.Tautline).sort()).toEqual(["Conn", ...(NAMES[`tautline/${entry}`] as string[])].sort());
});

test("the module build for pages has the listed names", () => {
  expect(imported("./dist/tautline.min.mjs")).toEqual(NAMES.tautline);
});

test.each(Object.keys(NAMES))("import and require give the same from %s", (entry) => {
  const program = `
    import { createRequire } from "node:module";
    import * as imported from "${entry}";
    const required = createRequire(process.cwd() + "/program.js")("${entry}");
    console.log(JSON.stringify(Object.keys(imported).filter((name) => imported[name] !== required[name])));
  `;
  // cborg can't be required, so what requires it has a copy inside: two functions, and the one Codec (see below).
  expect(node(program, "--input-type=module")).toEqual(entry === "tautline/codec/cbor" ? ["cbor"] : []);
});

test("a Conn of a server, and the errors of both ends, are of the class that is imported and required", () => {
  const program = `
    import { createServer } from "node:http";
    import { createRequire } from "node:module";
    import { Conn, ConnError } from "tautline";
    import { handle, handler } from "tautline/server";
    const required = createRequire(process.cwd() + "/program.js")("tautline");
    const server = createServer();
    const serving = handler((conn) => conn.closed);
    handle(server, "/", serving);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = new required.Conn("ws://127.0.0.1:" + server.address().port + "/");
    await client.ready();
    while (serving.conns.size === 0) await new Promise((resolve) => setImmediate(resolve));
    const [conn] = serving.conns;
    const waiting = [client.receive(), conn.receive()];
    client.close();
    await Promise.all([client.closed, conn.closed]);
    server.close();
    const errors = (await Promise.allSettled(waiting)).map(({ reason }) => reason);
    for (const closed of [client, conn]) {
      try { await closed.send("late"); } catch (error) { errors.push(error); }
    }
    const are = (values, name, ...modules) => values.map((value) => modules.every((it) => value instanceof it[name]));
    console.log(JSON.stringify({
      conns: are([conn, client], "Conn", { Conn }, required),
      errors: are(errors, "ConnError", { ConnError }, required),
    }));
  `;
  expect(node(program, "--input-type=module")).toEqual({ conns: [true, true], errors: [true, true, true, true] });
});

test.each(["node", "browser"])(
  "every codec entry shares the core's classes, imported and required, for %s",
  (condition) => {
    const program = `
    import { createRequire } from "node:module";
    import * as core from "tautline";
    import { validated } from "tautline/codec/validated";
    import { compressed } from "tautline/codec/compressed";
    import { msgpack } from "tautline/codec/msgpack";
    import { cbor } from "tautline/codec/cbor";
    const require = createRequire(process.cwd() + "/program.js");
    const all = { compressed, msgpack, cbor, validated };
    const make = { compressed: (make) => make(core.json()), msgpack: (make) => make(), cbor: (make) => make() };
    const issues = { "~standard": { validate: () => ({ issues: [{ message: "no" }] }) } };
    const required = require("tautline");
    const shared = Object.keys(make).map((name) => [
      make[name](all[name]) instanceof core.Codec,
      make[name](require("tautline/codec/" + name)[name]) instanceof required.Codec,
    ]);
    for (const [validated, { json, ConnError }] of [[all.validated, core], [require("tautline/codec/validated").validated, required]]) {
      try { validated(json(), issues).unmarshal("1"); } catch (error) { shared.push(error instanceof ConnError); }
    }
    console.log(JSON.stringify(shared.flat()));
  `;
    expect(node(program, "--input-type=module", `--conditions=${condition}`)).toEqual(Array(8).fill(true));
  },
);
