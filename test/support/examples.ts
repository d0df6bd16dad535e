import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A ```ts block of a page, and what the comments before it say that it prints. */
export interface Example {
  /** Page and line of the first line of code. */
  readonly name: string;
  readonly code: string;
  /** Lines printed, where the page says: only such an example is run. */
  readonly prints: readonly string[];
}

const BLOCK = /((?:^<!-- prints: .* -->\n)*)^```ts\n([\s\S]*?)^```$/gm;

/** The examples of a page in Markdown, each preceded by a `<!-- prints: … -->` for each line that it prints. */
export function examplesIn(page: string, markdown: string): Example[] {
  return [...markdown.matchAll(BLOCK)].map(({ index, 1: comments = "", 2: code = "" }) => ({
    name: `${page}:${markdown.slice(0, index + comments.length).split("\n").length + 1}`,
    code,
    prints: [...comments.matchAll(/^<!-- prints: (.*) -->$/gm)].map(([, line]) => line as string),
  }));
}

/** The examples of the README and of each page in `docs/`. */
export function examplesOf(root: string): Example[] {
  const pages = readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md"));
  return ["README.md", ...pages.map((file) => `docs/${file}`)].flatMap((page) =>
    examplesIn(page, readFileSync(join(root, page), "utf8")),
  );
}
