import { channels } from "/package/channels.mjs";
import { json } from "/package/index.mjs";
import { rpc } from "/package/rpc.mjs";
import { NewestLedger } from "./shared/newest.js";

const SPARK = { width: 72, height: 20 };
const SVG = "http://www.w3.org/2000/svg";
const SHOW_EVERY_MS = 250;

const euros = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  signDisplay: "exceptZero",
});
const whole = new Intl.NumberFormat("en");

const pauseButton = document.getElementById("pause");

export async function startTicker({ connect, signal }) {
  const account = new NewestLedger();
  let list = 0;
  let pausedAt = 0;
  let goOn = () => {};
  let unpaused = Promise.resolve();

  function pause(isPaused) {
    pauseButton.ariaPressed = String(isPaused);
    pauseButton.textContent = isPaused ? "Go on" : "Pause";
    goOn();
    pausedAt = isPaused ? performance.now() : 0;
    if (isPaused) unpaused = new Promise((resolve) => (goOn = resolve));
    say();
  }

  function say() {
    const { shown, skipped, repeated } = account;
    const words = [
      pausedAt > 0 ? `Paused for ${((performance.now() - pausedAt) / 1000).toFixed(1)} s. ` : "",
      `List ${whole.format(list)} of the server · ${whole.format(shown)} shown here, `,
      `${whole.format(skipped)} skipped for a newer one, ${repeated} shown twice`,
    ];
    document.getElementById("pulled").textContent = words.join("");
  }

  pauseButton.addEventListener("click", () => pause(pauseButton.ariaPressed === "false"), { signal });
  const timer = setInterval(() => pausedAt > 0 && say(), SHOW_EVERY_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    goOn();
  });

  const peer = rpc(connect("Ticker", "/websocket", { codec: json() }));
  // One list waits here for a reader that is slow. The server has the newest for it, and queues nothing.
  const prices = channels(peer).subscribe("prices", { from: { last: 1 }, maxQueued: 1 });
  pause(false);
  try {
    for await (const { data } of prices) {
      if (signal.aborted) return;
      account.count(data.n, data.market);
      list = data.n;
      document.getElementById("rows").replaceChildren(...data.products.map(row));
      say();
      await unpaused;
    }
  } catch {
    // The pane says how its connection ended.
  }
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
