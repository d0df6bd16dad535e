// Writes the API reference in Markdown, from the doc comments: one page for each entry point.
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";
import { entries } from "../entries.mjs";
import options from "../typedoc.config.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Writes the pages into a folder.
 *
 * @param {string} out
 */
export async function writeApi(out) {
  const { entryPoints, ...rest } = options;
  const app = await Application.bootstrapWithPlugins({
    ...rest,
    entryPoints: entryPoints.map((source) => `${root}${source}`),
    tsconfig: `${root}tsconfig.json`,
    basePath: root,
    plugin: ["typedoc-plugin-markdown"],
    out,
    // The checks of the doc comments are a command of their own, which takes their warnings for errors.
    validation: false,
    outputFileStrategy: "modules",
    entryFileName: "index",
    hideBreadcrumbs: true,
    hidePageHeader: true,
    sanitizeComments: true,
    useCodeBlocks: true,
    useHTMLAnchors: true,
    parametersFormat: "table",
    propertiesFormat: "table",
  });
  const project = await app.convert();
  if (!project?.children) throw new Error("The doc comments could not be read.");
  const names = new Map(entries.map(({ name, source }) => [source.replace(/(\/index)?\.ts$/, ""), name]));
  for (const module of project.children) {
    const name = names.get(module.name);
    if (name === undefined) throw new Error(`No entry point is made of ${module.name}.`);
    module.name = name === "." ? "tautline" : `tautline/${name}`;
  }
  await app.generateOutputs(project);
  if (app.logger.hasErrors()) throw new Error("The API reference could not be written.");
}
