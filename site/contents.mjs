import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { entries } from "../entries.mjs";
import { pagesOfSite, root } from "./pages.mjs";

/** The API reference, a page for each entry point. */
const API = entries.map(({ name }) => (name === "." ? "tautline" : `tautline/${name}`));

/**
 * Returns the groups of the one sidebar. They come from the index of the docs, which a test keeps complete, so that no
 * page can be missing here.
 */
export function contents() {
  const index = readFileSync(join(root, "docs/README.md"), "utf8");
  const pages = pagesOfSite();
  const links = [...index.matchAll(/\[([^\]]+)\]\(([^)#\s]+\.md)\)/g)].map(([, text, link]) => {
    const page = pages.get(posix.normalize(posix.join("docs", link))) ?? "";
    return { text: capitalized(text.replace(/[*`]/g, "")), link: `/${page.replace(/\.md$/, "")}` };
  });
  const begin = index.indexOf("**Guides**");
  const isBeginning = ({ link }) => index.indexOf(`${link.slice(1)}.md`) < begin;
  const guides = links.filter(({ link }) => link.startsWith("/guides/"));
  const others = links.filter(({ link }) => !/^\/(guides|reference)\//.test(link));
  return [
    {
      text: "Begin",
      items: [{ text: "Playground", link: "/playground" }, ...guides.filter(isBeginning), ...others.filter(isBeside)],
    },
    { text: "Guides", items: guides.filter((each) => !isBeginning(each)) },
    { text: "Reference", items: links.filter(({ link }) => link.startsWith("/reference/")) },
    { text: "API", items: API.map((name) => ({ text: name, link: `/api/${name}` })) },
    { text: "Internals", items: others.filter((each) => !isBeside(each)) },
  ];
}

/** Whether a page outside of the guides belongs to the beginning. @param {{ link: string }} page */
function isBeside({ link }) {
  return link === "/examples" || link === "/assistants";
}

/** @param {string} text */
function capitalized(text) {
  return /^[a-z]+[ A-Z]?/.test(text) && !/^[a-z]+[A-Z]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}
