import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A block of code of a page, and what the comments before it say of it. */
export interface Example {
  /** Page and line of the first line of code. */
  readonly name: string;
  readonly language: string;
  readonly code: string;
  /** Lines printed, where the page says so. */
  readonly prints: readonly string[];
  /** Why it is not run, where the page says so. */
  readonly notRun: string | undefined;
}

/** A block may be indented, as part of a list. */
const BLOCK = /((?:^ *<!-- (?:prints|compiled only): .* -->\n)*)^( *)```(\w+)\n([\s\S]*?)^\2```$/gm;

/**
 * The blocks of a page in Markdown, each preceded by a `<!-- prints: … -->` for each line that it prints, or by a
 * `<!-- compiled only: … -->` where it can't be run.
 */
export function examplesIn(page: string, markdown: string): Example[] {
  return [...markdown.matchAll(BLOCK)].map(
    ({ index, 1: comments = "", 2: indent = "", 3: language = "", 4: code = "" }) => ({
      name: `${page}:${markdown.slice(0, index + comments.length).split("\n").length + 1}`,
      language,
      code: code.replace(new RegExp(`^${indent}`, "gm"), ""),
      prints: [...comments.matchAll(/^ *<!-- prints: (.*) -->$/gm)].map(([, line]) => line as string),
      notRun: /^ *<!-- compiled only: (.*) -->$/m.exec(comments)?.[1],
    }),
  );
}

/** The folders of pages that people write; `docs/api` is generated and not kept. */
const FOLDERS = ["docs", "docs/guides", "docs/reference", "docs/internals"];

/** The README, CONTRIBUTING.md, the page for coding assistants, and each page in `docs/`, by path. */
export function pagesOf(root: string): ReadonlyMap<string, string> {
  const pages = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith(".md"))
      .map((file) => `${folder}/${file}`),
  );
  const paths = ["README.md", "CONTRIBUTING.md", "skills/tautline/SKILL.md", ...pages];
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

export function examplesOf(root: string): Example[] {
  return [...pagesOf(root)].flatMap(([page, markdown]) => examplesIn(page, markdown));
}

/** The code of each script of a page in HTML that is written in the page, and where the others are. */
export function scriptsIn(html: string): { readonly inline: readonly string[]; readonly sources: readonly string[] } {
  const scripts = [...html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)];
  return {
    inline: scripts.map(([, , code = ""]) => code).filter((code) => code.trim() !== ""),
    sources: scripts.flatMap(([, attributes = ""]) => /src="([^"]*)"/.exec(attributes)?.[1] ?? []),
  };
}
