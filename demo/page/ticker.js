import { json } from "/package/index.mjs";

/** The server may be two or three messages ahead of what we have taken: beyond that it is held back. */
const WINDOW_BYTES = 8_192;
const SPARK = { width: 72, height: 20 };
const SVG = "http://www.w3.org/2000/svg";

const euros = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  signDisplay: "exceptZero",
});

const pauseButton = document.getElementById("pause");
let conn;
let taken = 0;

export async function startTicker({ connect, signal }) {
  taken = 0;
  let goOn = () => {};
  let unpaused = Promise.resolve();

  function pause(isPaused) {
    pauseButton.ariaPressed = String(isPaused);
    pauseButton.textContent = isPaused ? "Go on" : "Pause";
    goOn();
    if (isPaused) unpaused = new Promise((resolve) => (goOn = resolve));
  }
  pause(false);
  pauseButton.addEventListener("click", () => pause(pauseButton.ariaPressed === "false"), { signal });
  signal.addEventListener("abort", () => goOn());

  conn = connect("Ticker", "/websocket", { codec: json(), ack: "consumed", windowBytes: WINDOW_BYTES });
  // A server counts for each session, so both counts begin together.
  conn.on("open", ({ resumed }) => {
    if (!resumed) taken = 0;
  });
  for await (const products of conn) {
    document.getElementById("rows").replaceChildren(...products.map(row));
    taken++;
    // Nothing is taken meanwhile, so nothing is acknowledged, and the server waits.
    await unpaused;
  }
}

/** Shows the server's account of this page's ticker beside the page's own. */
export function showProgress({ sent, heldMs }) {
  const held = heldMs > 0 ? `, held back for ${(heldMs / 1000).toFixed(1)} s` : "";
  // The node of the System pane reports, and knows only the tickers that it has itself.
  const server = sent === undefined ? "" : ` · server sent ${sent}${held}`;
  document.getElementById("pulled").textContent = `Taken ${taken} · waiting here ${conn.stats.inbox.messages}${server}`;
}

function row({ name, price, change, trail }) {
  const [trend, symbol] = change > 0 ? ["up", "▲"] : change < 0 ? ["down", "▼"] : ["level", "■"];
  const heading = cell("th", name);
  heading.scope = "row";
  const spark = cell("td");
  spark.append(sparkline(trail, trend));
  const arrow = cell("span", symbol);
  arrow.ariaHidden = "true";
  const changed = cell("td", `${percent.format(change)} `, trend);
  changed.append(arrow);
  const tr = document.createElement("tr");
  tr.append(heading, spark, cell("td", euros.format(price)), changed);
  return tr;
}

function sparkline(values, trend) {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const x = (index) => (index / (values.length - 1)) * SPARK.width;
  const y = (value) => 1 + (1 - (value - min) / (max - min || 1)) * (SPARK.height - 2);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" "));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${SPARK.width} ${SPARK.height}`);
  svg.setAttribute("class", trend);
  svg.ariaHidden = "true";
  svg.append(line);
  return svg;
}

function cell(tag, text = "", className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}
