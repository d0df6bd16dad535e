import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { contents } from "../contents.mjs";
import { pagesOfSite } from "../pages.mjs";

const REPOSITORY = "https://github.com/tautline/tautline";
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 11C5 2 11 14 14 5' " +
  "fill='none' stroke='%23128078' stroke-width='3' stroke-linecap='round'/%3E%3C/svg%3E";
const built = (path) => fileURLToPath(new URL(`../../dist/browser/${path}`, import.meta.url));
const sources = new Map([...pagesOfSite()].map(([path, page]) => [page, path]));

/** As GitHub names headings, so that a link to one is right there and here. */
const slugify = (heading) =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
    .replaceAll(" ", "-");

export default defineConfig({
  title: "tautline",
  description: "A WebSocket that outlives its connections, in browsers and in Node.",
  lang: "en",
  srcDir: ".pages",
  outDir: "dist",
  cleanUrls: true,
  lastUpdated: false,
  head: [["link", { rel: "icon", href: ICON }]],
  transformPageData({ relativePath, frontmatter }) {
    // A page of the API has no file of its own, because its text stands in the doc comments.
    frontmatter.source = `${REPOSITORY}/edit/main/${sources.get(relativePath) ?? "src"}`;
  },
  markdown: {
    anchor: { slugify },
    // The default ones have words that are too faint on the ground of a block.
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config(markdown) {
      const fence = markdown.renderer.rules.fence;
      markdown.renderer.rules.fence = (tokens, index, ...rest) => {
        const { info, content } = tokens[index];
        if (info.trim() === "mermaid") return `<Diagram code="${encodeURIComponent(content)}" />`;
        const block = fence(tokens, index, ...rest);
        // A comment before a sample, which other readers of the Markdown do not show.
        const isTried = tokens[index - 1]?.content.trim() === "<!-- try -->";
        return isTried ? `<Try code="${encodeURIComponent(content)}">${block}</Try>` : block;
      };
    },
  },
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local", options: { detailedView: true } },
    nav: [
      { text: "Guides", link: "/guides/getting-started", activeMatch: "^/guides/" },
      { text: "Reference", link: "/reference/configuration", activeMatch: "^/(reference|api)/" },
      { text: "Playground", link: "/playground" },
      { text: "Changelog", link: "/changelog" },
      // In words: VitePress fetches the icons of other sites from elsewhere while one writes.
      { text: "GitHub", link: REPOSITORY },
    ],
    sidebar: contents(),
    editLink: {
      text: "Edit this page",
      // In the browser this function has nothing but its argument.
      pattern: ({ frontmatter }) => frontmatter.source,
    },
  },
  vite: {
    resolve: {
      alias: [
        { find: /^tautline$/, replacement: built("index.mjs") },
        { find: /^tautline\/(.*)$/, replacement: built("$1.mjs") },
      ],
    },
    build: { chunkSizeWarningLimit: 3_000 },
    // The page names its own icon once its script runs: a browser asks for this one before.
    plugins: [
      {
        name: "no-favicon",
        configureServer({ middlewares }) {
          middlewares.use("/favicon.ico", (_request, response) => response.writeHead(204).end());
        },
      },
    ],
  },
});
