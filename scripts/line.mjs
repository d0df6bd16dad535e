// Draws docs/line.svg, the moving picture of a line that is cut while nothing is lost: node scripts/line.mjs
import { writeFileSync } from "node:fs";

/** One round of the picture, in seconds. */
const ROUND = 10;
const CUT = 2.4;
const BACK = 5.2;
const FLIGHT = 0.9;
const [LEFT, RIGHT, Y] = [150, 570, 74];
const MIDDLE = (LEFT + RIGHT) / 2;
/** When each message is sent, and when it leaves for good: the third is under way at the cut, and leaves again. */
const MESSAGES = [
  { sent: 0.3, leaves: 0.3 },
  { sent: 1.1, leaves: 1.1 },
  { sent: 1.95, leaves: 5.4 },
  { sent: 2.9, leaves: 5.75 },
  { sent: 3.6, leaves: 6.1 },
  { sent: 4.3, leaves: 6.45 },
];
const SAYINGS = [
  { text: "open", from: 0, to: CUT, tone: "good" },
  { text: "cut: messages wait, in order", from: CUT, to: BACK, tone: "bad" },
  { text: "back: the server had 2, so the page goes on with 3", from: BACK, to: 7.5, tone: "good" },
  { text: "6 sent, 6 arrived, in order, once each", from: 7.5, to: ROUND, tone: "good" },
];

const percent = (seconds) => `${((seconds / ROUND) * 100).toFixed(2)}%`;
const frames = (name, steps) => `@keyframes ${name}{${steps.map(([at, css]) => `${percent(at)}{${css}}`).join("")}}`;
/** Messages that wait stand in the page, the next one at the door. */
const waitingAt = (number) => [116 - (number - 3) * 24, Y];
const move = (x, y, opacity = 1) => `transform:translate(${x}px,${y}px);opacity:${opacity}`;

const keyframes = [];
const parts = [];

MESSAGES.forEach(({ sent, leaves }, index) => {
  const number = index + 1;
  const steps = [
    [0, move(LEFT - 30, Y, 0)],
    [sent, move(LEFT - 30, Y, 0)],
    [sent + 0.01, move(LEFT - 30, Y)],
  ];
  if (leaves > sent) {
    const [x, y] = waitingAt(number);
    if (sent < CUT) {
      steps.push([CUT, move(MIDDLE - 14, Y)], [CUT + 0.35, move(MIDDLE - 14, Y + 30, 0)]);
      steps.push([CUT + 0.36, move(x, y, 0)], [CUT + 0.7, move(x, y)]);
    } else {
      steps.push([sent + 0.25, move(x, y)]);
    }
    steps.push([leaves, move(x, y)], [leaves + 0.2, move(LEFT, Y)]);
  }
  steps.push([leaves + FLIGHT, move(RIGHT + 30, Y)], [leaves + FLIGHT + 0.15, move(RIGHT + 30, Y, 0)]);
  steps.push([ROUND, move(RIGHT + 30, Y, 0)]);
  keyframes.push(frames(`m${number}`, steps));
  parts.push(`<g class="message" style="animation-name:m${number}"><circle r="12"/><text y="5">${number}</text></g>`);

  const arrives = leaves + FLIGHT;
  keyframes.push(
    frames(`a${number}`, [
      [0, "opacity:0"],
      [arrives, "opacity:0"],
      [arrives + 0.05, "opacity:1"],
      [ROUND, "opacity:1"],
    ]),
  );
  const x = RIGHT + 26 + index * 19;
  parts.push(`<text class="arrived" style="animation-name:a${number}" x="${x}" y="${Y + 44}">${number}</text>`);
});

SAYINGS.forEach(({ text, from, to, tone }, index) => {
  const steps = [[0, `opacity:${from === 0 ? 1 : 0}`]];
  if (from > 0) steps.push([from - 0.01, "opacity:0"], [from, "opacity:1"]);
  steps.push([to - 0.01, "opacity:1"]);
  if (to < ROUND) steps.push([to, "opacity:0"], [ROUND, "opacity:0"]);
  keyframes.push(frames(`s${index}`, steps));
  const isLast = index === SAYINGS.length - 1;
  const classes = `saying ${tone}${isLast ? "" : " passing"}`;
  parts.push(`<text class="${classes}" style="animation-name:s${index}" x="${MIDDLE}" y="${Y + 78}">${text}</text>`);
});

keyframes.push(
  frames("gap", [
    [0, "opacity:0"],
    [CUT - 0.01, "opacity:0"],
    [CUT, "opacity:1"],
    [BACK - 0.01, "opacity:1"],
    [BACK, "opacity:0"],
    [ROUND, "opacity:0"],
  ]),
);

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 170" role="img" aria-labelledby="title description">
<title id="title">A line that is cut, and nothing is lost</title>
<desc id="description">Six numbered messages go from a page to a server. The line is cut while the third is under way. The others wait, the line comes back, and all six arrive in order, once each.</desc>
<style>
:root{--ink:#1b2225;--faint:#596367;--line:#0b6b64;--card:#ffffff;--sunk:#f2f0ea;--good:#17693a;--bad:#ad2a22}
@media (prefers-color-scheme:dark){:root{--ink:#e7ebec;--faint:#a3afb4;--line:#5fcdc2;--card:#192024;--sunk:#131a1d;--good:#72d394;--bad:#ff968c}}
text{font:600 14px system-ui,sans-serif;fill:var(--ink);text-anchor:middle}
.end rect{fill:var(--card);stroke:var(--line);stroke-width:2}
.rope{stroke:var(--line);stroke-width:4;stroke-linecap:round;fill:none}
.gap{opacity:0;animation-name:gap}
.gap rect{fill:var(--sunk)}
.gap path{stroke:var(--bad);stroke-width:3;stroke-linecap:round}
.message{opacity:0}
.message circle{fill:var(--line);stroke:var(--card);stroke-width:2}
.message text{fill:var(--card)}
.saying.good{fill:var(--good)}
.saying.bad{fill:var(--bad)}
.passing{opacity:0}
.arrived{fill:var(--good)}
.gap,.message,.saying,.arrived{animation-duration:${ROUND}s;animation-iteration-count:infinite;animation-timing-function:linear}
@media (prefers-reduced-motion:reduce){.gap,.message,.saying,.arrived{animation:none}}
${keyframes.join("\n")}
</style>
<rect width="720" height="170" rx="12" fill="var(--sunk)"/>
<path class="rope" d="M${LEFT - 12} ${Y}H${RIGHT + 12}"/>
<g class="gap"><rect x="${MIDDLE - 16}" y="${Y - 10}" width="32" height="20"/><path d="M${MIDDLE - 16} ${Y - 8}v16M${MIDDLE + 16} ${Y - 8}v16"/></g>
<g class="end"><rect x="20" y="${Y - 26}" width="118" height="52" rx="8"/><text x="79" y="${Y - 36}">your page</text></g>
<g class="end"><rect x="582" y="${Y - 26}" width="118" height="52" rx="8"/><text x="641" y="${Y - 36}">your server</text></g>
${parts.join("\n")}
</svg>
`;
writeFileSync(new URL("../docs/line.svg", import.meta.url), svg);
