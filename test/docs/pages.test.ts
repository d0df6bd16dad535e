import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { resolveOptions } from "../../src/core/options.ts";
import { allMembersOf, literalsOf, membersOf, publicMembersOf } from "../support/declarations.ts";
import { pagesOf } from "../support/examples.ts";

const ROOT = join(import.meta.dirname, "../..");
const pages = pagesOf(ROOT);
const page = (name: string) => pages.get(`docs/${name}.md`) as string;

const withoutCode = (markdown: string) => markdown.replace(/^```[\s\S]*?^```$|<!--[\s\S]*?-->/gm, "");

/** The anchors that GitHub gives to the headings of a page, and those that the page writes for its old headings. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...withoutCode(markdown).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading as string);
  const written = [...withoutCode(markdown).matchAll(/<a id="([\w-]+)"><\/a>/g)].map(([, id]) => id as string);
  return new Set([...headings.map(slug), ...written]);
}

const slug = (heading: string) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
    .replaceAll(" ", "-");

/** Lists the broken links of a page to files and headings of this repository. */
function brokenLinks(path: string, markdown: string): string[] {
  const links = [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string);
  return links.flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : normalize(join(dirname(path), file));
    if (!existsSync(join(ROOT, target))) return `${path}: ${link} is no file`;
    if (anchor === undefined) return [];
    return anchorsOf(readFileSync(join(ROOT, target), "utf8")).has(anchor) ? [] : `${path}: ${link} is no heading`;
  });
}

/** A section of a page, from its heading to the next of the same or a higher level. */
function section(markdown: string, heading: string): string {
  const lines = markdown.split("\n");
  const start = lines.findIndex((line) => line.replace(/^#+ /, "") === heading && line.startsWith("#"));
  if (start < 0) throw new Error(`There is no ${heading}.`);
  const end = lines.findIndex((line, i) => i > start && /^#+ /.test(line));
  return lines.slice(start, end < 0 ? undefined : end).join("\n");
}

/** The rows of the tables in a text, as cells. */
const rows = (text: string) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

/** The names that the first cells of those rows give: `a`, `b(…)` and the like. */
const namesIn = (text: string) =>
  rows(text).flatMap(([first = ""]) => [...first.matchAll(/`([\w-]+)[^`]*`/g)].map(([, name]) => name as string));

const sorted = (names: Iterable<string>) => [...new Set(names)].sort();

test("every link to a file or a heading leads there", () => {
  expect([...pages].flatMap(([path, markdown]) => brokenLinks(path, markdown))).toEqual([]);
});

test("every page is reached from the README and from the index of the docs", () => {
  for (const [path, markdown] of [
    ["README.md", pages.get("README.md")],
    ["docs/README.md", page("README")],
  ] as const) {
    const linked = [...(markdown ?? "").matchAll(/\]\(([^)#\s]+\.md)[^)]*\)/g)].map(([, link]) =>
      normalize(join(dirname(path), link as string)),
    );
    const others = [...pages.keys()].filter(
      (each) => each !== path && each !== "README.md" && each !== "docs/README.md",
    );
    expect(sorted(linked), path).toEqual(expect.arrayContaining(sorted(others)));
  }
});

const OPTIONS: readonly (readonly [heading: string, folder: string, name: string])[] = [
  ["Conn", "core", "ConnOptions"],
  ["Outbox", "core", "OutboxBounds"],
  ["Inbox", "core", "InboxBounds"],
  ["One send", "base", "SendOptions"],
  ["resume()", "resume/client", "ResumeOptions"],
  ["exponential()", "core", "ExponentialOptions"],
  ["rpc()", "rpc", "RpcOptions"],
  ["One call", "rpc", "CallOptions"],
  ["store()", "store", "StoreOptions"],
  ["useConn()", "react", "UseConnOptions"],
  ["handler()", "server", "HandlerOptions"],
  ["Sessions", "resume/server", "SessionOptions"],
  ["Admission", "server", "AdmissionOptions"],
  ["shutdown()", "server", "ShutdownOptions"],
];

describe("the configuration page", () => {
  test.each(OPTIONS)("has the options of %s, each and no other", (heading, folder, name) => {
    const documented = namesIn(section(page("reference/configuration"), heading));
    expect(documented).toEqual([...new Set(documented)]);
    expect(sorted(documented)).toEqual(sorted(membersOf(folder, name)));
  });

  test("has the options of the heartbeat", () => {
    const all = allMembersOf("core", "HeartbeatOptions");
    expect(sorted(namesIn(section(page("reference/configuration"), "Heartbeat")))).toEqual(sorted(all));
  });

  test("names the options of codecs and of the proxy", () => {
    const all = [
      ...membersOf("codec", "JsonOptions"),
      ...membersOf("codec", "CompressedOptions"),
      ...allMembersOf("codec", "MsgpackOptions"),
    ];
    for (const name of all) expect(section(page("reference/configuration"), "Codecs")).toContain(name);
    const proxy = membersOf("testing", "FaultProxyOptions");
    for (const name of proxy) expect(section(page("reference/configuration"), "faultProxy()")).toContain(name);
  });

  const UNITS: Readonly<Record<string, number>> = { MiB: 2 ** 20, s: 1_000 };
  const read = (cell: string) => {
    const [, number, unit] = /^([\d,]+)(?: (MiB|s))?$/.exec(cell) ?? [];
    if (number) return Number(number.replaceAll(",", "")) * (UNITS[unit ?? ""] ?? 1);
    if (cell === "no limit") return Number.POSITIVE_INFINITY;
    return /^`(?:"([^"]*)"|(true|false))`$/.exec(cell)?.slice(1).find(Boolean);
  };

  test("gives the defaults that are filled in", () => {
    const settled = resolveOptions({ heartbeat: {} });
    const { outbox, inbox, heartbeat } = settled;
    const filled = { Conn: settled, Outbox: outbox, Inbox: inbox, Heartbeat: heartbeat };
    const compared = Object.entries(filled).flatMap(([heading, values]) =>
      rows(section(page("reference/configuration"), heading)).flatMap(([name = "", cell = ""]) => {
        const value = (values as unknown as Record<string, unknown>)[name.replaceAll("`", "")];
        if (typeof value !== "number" && typeof value !== "string" && typeof value !== "boolean") return [];
        if (name === "`maxMessages`") return [];
        const shown = read(cell);
        expect([name, shown]).toEqual([name, typeof value === "boolean" ? String(value) : value]);
        return name;
      }),
    );
    expect(compared).toHaveLength(18);
  });
});

describe("the API page", () => {
  test("has every event, and no other", () => {
    expect(sorted(namesIn(section(page("reference/api"), "Events")))).toEqual(sorted(membersOf("core", "ConnEvents")));
  });

  test("has every figure of stats, and no other", () => {
    expect(sorted(namesIn(section(page("reference/api"), "Stats")))).toEqual(sorted(membersOf("core", "Stats")));
  });

  test("has every public member of Conn, and no other", () => {
    const documented = namesIn(section(page("reference/api"), "A Conn"));
    expect(sorted(documented)).toEqual(sorted(publicMembersOf("core", "Conn")));
  });

  test("has every state, wait and way to end", () => {
    for (const name of literalsOf("core", "WaitReason"))
      expect(section(page("reference/api"), "Events")).toContain(`"${name}"`);
    for (const name of literalsOf("core", "ClosedBy"))
      expect(section(page("reference/api"), "Events")).toContain(`"${name}"`);
    const ends = [...membersOf("core", "DisconnectInfo"), ...membersOf("socket", "ConnectionEnd")];
    for (const name of ends) expect(section(page("reference/api"), "Events")).toContain(name);
    for (const name of membersOf("core", "CloseInfo")) expect(section(page("reference/api"), "Events")).toContain(name);
  });
});

test("the errors page has every code, and no other", () => {
  expect(sorted(namesIn(page("reference/errors")))).toEqual(sorted(literalsOf("base", "ConnErrorCode")));
});

test("an event that any page listens to exists", () => {
  const events = membersOf("core", "ConnEvents");
  const listened = [...pages].flatMap(([path, text]) =>
    [...text.matchAll(/\b(?:conn|pushed|stranger)\.on\("([\w-]+)"/g)].map(([, name]) => [path, name] as const),
  );
  expect(listened.length).toBeGreaterThan(10);
  expect(listened.filter(([, name]) => !events.includes(name as string))).toEqual([]);
});

test("every file and folder that the architecture page names exists", () => {
  const text = page("internals/architecture");
  const named = [...text.matchAll(/`([\w-]+(?:\/[\w.-]+)+\/?)`/g)].map(([, name]) => name as string);
  expect(named.length).toBeGreaterThan(80);
  const places = ["", "src/"];
  expect(named.filter((name) => !places.some((place) => existsSync(join(ROOT, place, name))))).toEqual([]);
});

test("every command of the fault proxy is on the testing page", () => {
  const documented = page("guides/testing");
  for (const name of membersOf("testing", "FaultProxy")) expect(documented).toMatch(new RegExp(`\`${name}\\b`));
});

test("the comparison is with the versions that bench/ pins", () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "bench/package.json"), "utf8"));
  const named = [...page("guides/comparison").matchAll(/^\| ([\w.-]+) (\d+\.\d+\.\d+) \|/gm)];
  expect(named.length).toBeGreaterThan(5);
  for (const [, name, version] of named) expect([name, dependencies[name as string]]).toEqual([name, version]);
});

describe("the check itself", () => {
  test("sees a link to nowhere", () => {
    const text =
      "[a](docs/guides/nothing.md) [b](docs/reference/errors.md#nothing) [c](docs/reference/errors.md) [d](https://example.com/)";
    expect(brokenLinks("README.md", text)).toEqual([
      "README.md: docs/guides/nothing.md is no file",
      "README.md: docs/reference/errors.md#nothing is no heading",
    ]);
  });

  test("makes anchors as GitHub does", () => {
    const text = "## `handler()`, and *more*\n\n```sh\n# no heading\n```\n\n# Wo? Da!";
    expect([...anchorsOf(text)]).toEqual(["handler-and-more", "wo-da"]);
  });
});
