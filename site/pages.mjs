// Lays the pages of the site out in a folder of their own: those of docs/, those beside this file, and the API reference.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = "https://github.com/tautline/tautline";
/** Pages of the repository that stand outside of docs/. */
const ELSEWHERE = {
  "CONTRIBUTING.md": "contributing.md",
  "CHANGELOG.md": "changelog.md",
  "examples/README.md": "examples.md",
  "skills/tautline/SKILL.md": "assistants.md",
};
const RENAMED = { "docs/README.md": "contents.md", "README.md": "index.md" };
const ASSETS = /\.(png|svg|json)$/;

export const root = fileURLToPath(new URL("..", import.meta.url));
/** Where VitePress finds the pages. */
export const laid = fileURLToPath(new URL(".pages", import.meta.url));

/** The pages, by their path in the repository, with their path in the site. */
export function pagesOfSite() {
  const docs = filesIn("docs").filter((path) => path.endsWith(".md") && !path.startsWith("docs/api/"));
  const own = filesIn("site/pages").filter((path) => path.endsWith(".md"));
  return new Map([
    ...docs.map((path) => [path, RENAMED[path] ?? path.slice("docs/".length)]),
    ...own.map((path) => [path, path.slice("site/pages/".length)]),
    ...Object.entries(ELSEWHERE),
  ]);
}

/** Writes every page but the API's, with its links as they are in the site. */
export function layPages() {
  const pages = pagesOfSite();
  for (const [path, page] of pages) {
    const to = join(laid, page);
    mkdirSync(dirname(to), { recursive: true });
    const markdown = readFileSync(join(root, path), "utf8").replace(/^features: FEATURES$/m, () => features());
    const text = linked(markdown, path, page, pages);
    // A page that stays as it is must not look changed to a server that watches it.
    if (!existsSync(to) || readFileSync(to, "utf8") !== text) writeFileSync(to, text);
  }
  for (const path of filesIn("docs").filter((each) => ASSETS.test(each))) {
    cpSync(join(root, path), join(laid, path.slice("docs/".length)));
    // Vectors are imported by no page, and the first page names its picture by an address.
    if (path.endsWith(".json") || path.endsWith("line.svg"))
      cpSync(join(root, path), join(laid, "public", path.slice("docs/".length)));
  }
}

/** The promises of the README with their figures, as the first page shows them: a figure has one home. */
function features() {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, table = ""] = /^\| promise \|.*\n\|[-|]*\|\n((?:\|.*\n)+)/m.exec(readme) ?? [];
  const cards = table
    .trim()
    .split("\n")
    .map((row) =>
      row
        .split("|")
        .slice(1, -1)
        .map((cell) => plain(cell.trim())),
    );
  if (cards.length < 5) throw new Error("The README has no table of promises.");
  return `features:\n${cards
    .map(([promise, figure, command]) => {
      const details = `${figure}<code>${command}</code>`;
      return `  - title: ${JSON.stringify(promise)}\n    details: ${JSON.stringify(details)}`;
    })
    .join("\n")}`;
}

/** A cell of a table without its marks: in bold stands the title. @param {string} cell */
function plain(cell) {
  const [, bold = ""] = /^\*\*(.*?)\*\*/.exec(cell) ?? [];
  return (bold || cell).replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
}

/** Begins with an empty folder. */
export function clearPages() {
  rmSync(laid, { recursive: true, force: true });
}

/**
 * Puts the links of a page right for its place in the site. Files that the site does not have are linked where the
 * repository is.
 *
 * @param {string} markdown
 * @param {string} path The page's path in the repository.
 * @param {string} page Its path in the site.
 * @param {ReadonlyMap<string, string>} pages
 */
function linked(markdown, path, page, pages) {
  const targets = new Map([...pages, ["README.md", "index.md"]]);
  return outsideOfCode(markdown, (text) =>
    text.replace(/(\]\()([^)\s#]+)(#[^)\s]*)?(\))/g, (whole, open, link, anchor = "", close) => {
      if (/^[a-z]+:|^\//.test(link)) return whole;
      const target = normalize(join(dirname(path), link));
      const inSite =
        targets.get(target) ?? (ASSETS.test(target) && target.startsWith("docs/") ? target.slice(5) : undefined);
      if (inSite === undefined) {
        if (!existsSync(join(root, target))) throw new Error(`${path}: ${link} is no file.`);
        return `${open}${REPOSITORY}/blob/main/${target}${anchor}${close}`;
      }
      // A file that is served as it is has an address from the root.
      if (inSite.endsWith(".json")) return `${open}${REPOSITORY}/blob/main/${target}${close}`;
      const from = posix.relative(posix.dirname(page), inSite);
      return `${open}${from.startsWith(".") ? from : `./${from}`}${anchor}${close}`;
    }),
  );
}

/** @param {string} markdown @param {(text: string) => string} change */
function outsideOfCode(markdown, change) {
  return markdown
    .split(/(^```[\s\S]*?^```$)/m)
    .map((part, index) => (index % 2 === 0 ? change(part) : part))
    .join("");
}

/** @param {string} folder Below the root. */
function filesIn(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}
