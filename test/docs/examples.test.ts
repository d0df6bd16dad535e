import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { COMPILED_BESIDE, complaintsOf, EXTENSIONS } from "../support/compile-examples.ts";
import { type ExampleSite, exampleSite } from "../support/example-site.ts";
import { type Example, examplesIn, examplesOf, scriptsIn } from "../support/examples.ts";

const ROOT = join(import.meta.dirname, "../..");
/** How long an example that does not end by itself is watched. */
const WATCHED_MS = 1_000;
/** An example that says what it prints has to end. */
const ENDS_WITHIN_MS = 15_000;

const examples = examplesOf(ROOT);
const programs = examples.filter(({ language }) => language in EXTENSIONS);
const pages = examples.filter(({ language }) => language === "html");

/** Compiles examples in the root folder, where `tautline` is the package as built. */
const complaints = (all: readonly Example[]) => complaintsOf(all, ROOT);

/** The result of a program. */
interface Outcome {
  readonly printed: readonly string[];
  readonly errors: string;
  /** `undefined` for one that was still running when it was ended. */
  readonly exitCode: number | undefined;
}

/** Runs an example with Node in the root folder, and ends it if it has not ended by then. */
function run(code: string, withinMs: number): Promise<Outcome> {
  const program = transformSync(code, { loader: "ts", format: "esm" }).code;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { cwd: ROOT });
  let output = "";
  let errors = "";
  let isLate = false;
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, withinMs);
  return new Promise((resolve) => {
    child.once("close", (exitCode) => {
      clearTimeout(timer);
      const printed = output === "" ? [] : output.trimEnd().split("\n");
      resolve({ printed, errors, exitCode: isLate ? undefined : (exitCode ?? -1) });
    });
  });
}

/** Where in the package the scripts are that a page loads from the CDN. */
const filesOf = (sources: readonly string[]) =>
  sources.map((source) => {
    const [, path] = /^https:\/\/cdn\.jsdelivr\.net\/npm\/tautline(?:@[\d.]+)?(?:\/(.*))?$/.exec(source) ?? [];
    return path ?? manifest.jsdelivr;
  });

/** A page's scripts as a program: what those that it loads and its own do together in one scope. */
const asProgram = (files: readonly string[], inline: readonly string[]) => `
  import { readFileSync } from "node:fs";
  import { runInThisContext } from "node:vm";
  import { WebSocket } from "ws";
  globalThis.WebSocket = WebSocket;
  globalThis.document = { querySelector: () => ({ append: console.log }) };
  for (const file of ${JSON.stringify(files)}) runInThisContext(readFileSync(file, "utf8"));
  for (const script of ${JSON.stringify(inline)}) runInThisContext(script);
`;

let site: ExampleSite;
beforeAll(async () => {
  site = await exampleSite();
});
afterAll(() => site.close());

test("every example compiles against the package as built", { timeout: 60_000 }, () => {
  expect(programs.length).toBeGreaterThan(40);
  const isElsewhere = ({ notRun = "" }: Example) =>
    [...Object.values(COMPILED_BESIDE), /^is run as /].some((reason) => reason.test(notRun));
  expect(complaints(programs.filter((example) => !isElsewhere(example)))).toEqual([]);
});

const quoted = examples.flatMap(({ notRun, code }) => {
  const file = /^is run as (.*)$/.exec(notRun ?? "")?.[1];
  return file ? [[file, code] as const] : [];
});

test.each(quoted)("%s is quoted word for word", (file, code) => {
  expect(code).toBe(readFileSync(join(ROOT, file), "utf8"));
});

test("an example that is only compiled says why", () => {
  const reasons = new Set(programs.flatMap(({ notRun }) => notRun ?? []));
  expect([...reasons].filter((reason) => !/^(needs|is run) /.test(reason))).toEqual([]);
});

const named = (all: readonly Example[]) => all.map((example) => [example.name, example] as const);
const started = programs.filter(({ notRun }) => notRun === undefined);

test.concurrent.each(named(started.filter(({ prints }) => prints.length > 0)))(
  "%s prints what it says",
  async (_name, example) => {
    const { printed, errors } = await run(await site.localized(example.code), ENDS_WITHIN_MS);
    expect({ printed, errors }).toEqual({ printed: example.prints, errors: "" });
  },
);

test.concurrent.each(named(started.filter(({ prints }) => prints.length === 0)))(
  "%s runs without an error",
  async (_name, example) => {
    const { exitCode, errors } = await run(await site.localized(example.code), WATCHED_MS);
    expect(exitCode ?? 0, errors).toBe(0);
  },
);

describe.each(named(pages))("the page at %s", (_name, { code }) => {
  const { inline, sources } = scriptsIn(code);

  test("loads files that the package has", () => {
    const files = filesOf(sources);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect(existsSync(join(ROOT, file)), file).toBe(true);
  });

  test("runs against the script build without an error", async () => {
    const { exitCode, errors } = await run(await site.localized(asProgram(filesOf(sources), inline)), WATCHED_MS);
    expect(inline).toHaveLength(1);
    expect(exitCode ?? 0, errors).toBe(0);
  });
});

test("an import map names the files that the package exports to browsers", () => {
  const maps = examples.filter(({ language, code }) => language === "json" && code.includes('"imports"'));
  expect(maps.length).toBeGreaterThan(0);
  for (const { code } of maps) {
    for (const [name, url] of Object.entries<string>(JSON.parse(code).imports)) {
      const entry = name.replace(/^tautline/, ".") as "./resume";
      expect([name, `./${filesOf([url])}`]).toEqual([name, manifest.exports[entry].browser.import.default]);
    }
  }
});

test("every npm script that a page names exists, and so does every file that it runs", () => {
  const shell = examples.filter(({ language }) => language === "sh").map(({ code }) => code);
  const pages = [...new Set(programs.map(({ name }) => name.split(":")[0] as string))];
  const text = [...shell, ...pages.map((page) => readFileSync(join(ROOT, page), "utf8"))].join("\n");
  const names = [...text.matchAll(/\bnpm run (?:-s |--silent )?([a-z][\w:]*)/g)].map(([, name]) => name as string);
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) expect(Object.keys(manifest.scripts)).toContain(name);
  const files = [...text.matchAll(/\bnode ((?:bench|scripts|demo)\/[\w/.-]+)/g)].map(([, file]) => file as string);
  for (const file of files) expect(existsSync(join(ROOT, file)), file).toBe(true);
});

describe("the check itself", () => {
  const page = [
    "```ts",
    "const a: number = 1;",
    "```",
    "<!-- prints: 1 -->",
    "<!-- prints: two -->",
    "```ts",
    'import { json } from "tautline";',
    'const b: string = json<number>().unmarshal("1");',
    'console.log(b); console.log("two");',
    "```",
    "<!-- compiled only: needs a reason -->",
    "```js",
    "not(run);",
    "```",
    "",
  ].join("\n");
  const [quiet, wrong, notRun] = examplesIn("page.md", page) as [Example, Example, Example];

  test("finds blocks, where they are, what they print and why they are not run", () => {
    expect(examplesIn("page.md", page)).toHaveLength(3);
    expect(quiet).toEqual({
      name: "page.md:2",
      language: "ts",
      code: "const a: number = 1;\n",
      prints: [],
      notRun: undefined,
    });
    expect(wrong).toMatchObject({ name: "page.md:7", prints: ["1", "two"] });
    expect(notRun).toMatchObject({ name: "page.md:13", language: "js", notRun: "needs a reason" });
  });

  test("reports what does not compile, by page and line", { timeout: 60_000 }, () => {
    expect(complaints([quiet, wrong])).toEqual([
      "page.md:7, line 2: Type 'number' is not assignable to type 'string'.",
    ]);
  });

  test("sees what is printed", async () => {
    expect(await run(wrong.code, ENDS_WITHIN_MS)).toEqual({ printed: ["1", "two"], errors: "", exitCode: 0 });
  });

  test("sees a program that fails, one that waits for nothing, and one that goes on", async () => {
    expect(await run("throw new Error('wrong')", ENDS_WITHIN_MS)).toMatchObject({ exitCode: 1 });
    expect(await run("await new Promise(() => {})", ENDS_WITHIN_MS)).toMatchObject({ exitCode: 13 });
    expect(await run("setInterval(() => {}, 1000)", 500)).toMatchObject({ exitCode: undefined });
  });

  test("sees a page's script that names what is not exported", async () => {
    const outcome = await run(asProgram([manifest.jsdelivr], ["Tautline.nothing()"]), ENDS_WITHIN_MS);
    expect(outcome).toMatchObject({ exitCode: 1, errors: expect.stringContaining("nothing is not a function") });
  });

  test("puts the site's addresses in the place of example.com and port 8080", async () => {
    const localized = await site.localized(
      '"wss://example.com/a"; "ws://127.0.0.1:8080/b"; "https://api.example.com/c";',
    );
    expect(localized).toMatch(
      /^"ws:\/\/127\.0\.0\.1:(\d+)\/a"; "ws:\/\/127\.0\.0\.1:\1\/b"; "http:\/\/127\.0\.0\.1:\1\/c";$/,
    );
    expect(await site.localized('server.listen(8080, "127.0.0.1");')).toMatch(/listen\((?!8080)\d+,/);
  });
});
