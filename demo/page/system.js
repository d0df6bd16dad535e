import { channels } from "/package/channels.mjs";
import { json } from "/package/index.mjs";
import { drawLine } from "./chart.js";

const SLOTS = 120;
const MIB = 2 ** 20;

const CHARTS = [
  { name: "CPU", of: ({ cpu }) => cpu * 100, max: 20, inWords: (value) => `${value.toFixed(0)} %` },
  { name: "Memory", of: ({ memory }) => memory / MIB, max: 100, inWords: (value) => `${value.toFixed(0)} MiB` },
  { name: "Event-loop delay", of: ({ delayMs }) => delayMs, max: 10, inWords: (value) => `${value.toFixed(1)} ms` },
  {
    name: "Connections of all pages",
    of: ({ sockets }) => sockets,
    max: 8,
    inWords: (_, { open, away }) => `${open} open, ${away} away`,
  },
];

export function startSystem({ connect, hasNodes }) {
  const figures = CHARTS.map((chart) => {
    const figure = document.getElementById("chart").content.firstElementChild.cloneNode(true);
    const name = hasNodes ? chart.name.replace("of all pages", "of this node") : chart.name;
    figure.querySelector("span").textContent = name;
    figure.querySelector("canvas").ariaLabel = `${name} of the server over the last minute`;
    return { ...chart, values: [], value: figure.querySelector("b"), canvas: figure.querySelector("canvas"), figure };
  });
  document.querySelector("#system .charts").replaceChildren(...figures.map(({ figure }) => figure));

  const conn = connect("System", "/system", { codec: json() });
  const looks = channels(conn).subscribe("system", { from: { last: 1 } });
  looks.on("message", ({ data: system }) => {
    for (const { of, max, inWords, values, value, canvas } of figures) {
      values.push(of(system));
      if (values.length > SLOTS) values.shift();
      value.textContent = inWords(values.at(-1), system);
      drawLine(canvas, values, { slots: SLOTS, max });
    }
  });
}
