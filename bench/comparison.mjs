// How a part runs and what it prints: a table, and a chart where a picture says more.
import { bars, lines } from "./chart.mjs";
import { compare, contest, median } from "./runner.mjs";
import { OTHER_SIZES, sizeOf } from "./sizes.mjs";
import { figure, ratio, table } from "./table.mjs";

const CPU = "CPU µs a message";
/** Rounds of the parts that have many steps. */
const MOST_ROUNDS = 3;

const of = (results, name, measure) => results.get(name).map((result) => result[measure]);

/** Makes a part that compares clients with the first of them: the figures of each, and the ratios round by round. */
export function compareClients(work, names, aims = {}) {
  const { title, task, options, measures, lacks, isFresh } = work;
  return {
    title,
    lacks,
    against: (builds) => compareClients(work, builds),
    async run({ rounds, scale }) {
      const given = { ...options };
      if (given.count) given.count = Math.max(10, Math.round(given.count * scale));
      const results = await contest(names, task, { rounds, options: given, isFresh });
      const columns = Object.entries(measures);
      const head = ["client", ...columns.flatMap(([, label]) => [label, `beside ${names[0]}`])];
      const rows = names.map((name) => [
        name,
        ...columns.flatMap(([measure]) => {
          const values = of(results, name, measure);
          return [figure(median(values)), ratio(compare(values, of(results, names[0], measure)))];
        }),
      ]);
      const [[measure, label]] = columns;
      const medians = names.map((name) => [name, median(of(results, name, measure))]);
      const text = [table(head, rows), `Rounds: ${rounds}.`, ...aimsOf(results, names, measures, aims)].join("\n\n");
      return { text, chart: bars(`${title}: ${label}`, medians) };
    },
  };
}

/** Reports whether each median reaches its aim. A miss that the first client has beside itself is noise. */
export function aimsOf(results, [first, again, ours], measures, aims) {
  const reports = Object.entries(aims).map(([measure, bound]) => {
    const base = of(results, first, measure);
    const { median } = compare(of(results, ours, measure), base);
    const noise = compare(of(results, again, measure), base);
    const isRate = measure === "rate";
    const isReached = isRate ? median >= bound : median <= bound;
    const missed = noise.min <= median && median <= noise.max ? "missed, within the noise" : "missed";
    return `${measures[measure]} at ${isRate ? "least" : "most"} ${bound}× (${isReached ? "reached" : missed})`;
  });
  return reports.length > 0 ? [`Aim: ${reports.join(", ")}.`] : [];
}

/** Makes a part whose work grows from step to step: the CPU time of each client, and the ratios to the first of them. */
export function compareGrowth(work, names) {
  const { title, unit, task, steps, optionsOf } = work;
  const [first, ...others] = names;
  return {
    title,
    against: (builds) => compareGrowth(work, builds),
    async run({ rounds: most, scale }) {
      const rounds = Math.min(most, MOST_ROUNDS);
      // Left out, because two lines at the same place can't be distinguished.
      const points = new Map(names.filter((name) => !name.endsWith(" again")).map((name) => [name, []]));
      const rows = [];
      for (const step of scale < 1 ? steps.slice(0, 2) : steps) {
        const options = optionsOf(step);
        if (scale < 1 && !options.isExact) options.count = Math.min(options.count, 200);
        const results = await contest(names, task, { rounds, options, isFresh: options.conns > 1_000 });
        const base = of(results, first, "cpuUs");
        const cells = others.flatMap((name) => {
          const values = of(results, name, "cpuUs");
          return [figure(median(values)), ratio(compare(values, base))];
        });
        rows.push([step.toLocaleString("en-US"), figure(median(base)), ...cells]);
        for (const [name, line] of points) line.push([step, median(of(results, name, "cpuUs"))]);
      }
      const head = [unit, `${first}: ${CPU}`, ...others.flatMap((name) => [name, `beside ${first}`])];
      const text = [table(head, rows), `Rounds: ${rounds}.`].join("\n\n");
      return { text, chart: lines(`${title}: ${CPU}`, unit, points) };
    },
  };
}

/** Makes a part that weighs what a page downloads. */
export function compareSizes(title, names) {
  return {
    title,
    against: () => compareSizes(title, OTHER_SIZES),
    async run() {
      const sizes = [];
      for (const name of names) sizes.push({ name, ...(await sizeOf(name)) });
      const rows = sizes.map(({ name, minified, brotli }) => [name, figure(minified), figure(brotli)]);
      const chart = bars(
        "bytes of minified code, brotli",
        sizes.map(({ name, brotli }) => [name, brotli]),
      );
      return { text: table(["client", "minified", "brotli"], rows), chart };
    },
  };
}
