import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contents } from "./contents.mjs";
import { laid } from "./pages.mjs";

const SUMMARY =
  "tautline is a WebSocket client and server library for browsers and Node, in TypeScript: one Conn that reconnects by " +
  "itself, reports what became of every message, resumes exactly once, and stays within its bounds.";

/**
 * Writes what programs read that write programs: a `.md` beside each page, `llms.txt` with their list, and
 * `llms-full.txt` with their text.
 *
 * @param {string} out The folder of the built site.
 */
export function writeForAssistants(out) {
  const pages = readdirSync(laid, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".md"));
  for (const page of pages) cpSync(join(laid, page), join(out, page));
  const groups = contents();
  const list = groups.map(({ text, items }) => {
    const links = items.map((item) => `- [${item.text}](${item.link}.md)`);
    return `## ${text}\n\n${links.join("\n")}\n`;
  });
  writeFileSync(join(out, "llms.txt"), `# tautline\n\n> ${SUMMARY}\n\n${list.join("\n")}`);
  const texts = groups.flatMap(({ items }) =>
    items.map(({ link }) => `<!-- ${link} -->\n\n${readFileSync(join(laid, `${link}.md`), "utf8").trim()}\n`),
  );
  writeFileSync(join(out, "llms-full.txt"), texts.join("\n"));
}
