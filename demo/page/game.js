import { channels } from "/package/channels.mjs";
import { cbor } from "/package/codec/cbor.mjs";
import { rpc } from "/package/rpc.mjs";
import { colour, paper } from "./chart.js";
import { HEIGHT, unmarshalPicture, WIDTH } from "./shared/frames.js";
import { NewestLedger } from "./shared/newest.js";

const TICK_MS = 1000 / 30;
const BOTS = 2;
const HUES = [205, 150, 28, 280, 340, 55, 180, 100];
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STILL = { x: 0, y: 0 };

const sea = document.getElementById("sea");
const whole = new Intl.NumberFormat("en");
const moves = matchMedia("(prefers-reduced-motion: no-preference)");

export function startGame({ connect, signal }) {
  let before;
  let now;
  let arrivedAt = 0;
  let updates = 0;
  let bytes = 0;

  const account = new NewestLedger();
  /** The boat of this page, and the sea that it is on: the server gives both to each session. */
  let mine = { id: -1, sea: "" };

  const peer = rpc(connect("Game", "/game", { codec: cbor() }));
  peer.on("boat", (boat) => {
    mine = boat;
  });
  const pictures = channels(peer).subscribe("sea");
  pictures.on("message", ({ data }) => {
    const picture = unmarshalPicture(data);
    account.count(picture.n, mine.sea);
    [before, now] = [now, picture];
    arrivedAt = performance.now();
    updates++;
    bytes = data.length;
  });

  const seconds = setInterval(() => {
    document.getElementById("rate").textContent = `${updates} updates/s, ${bytes} bytes each`;
    updates = 0;
    if (!now) return;
    const ranked = [...now.boats].sort((a, b) => b.score - a.score);
    const scores = ranked.map((boat) => `${nameOf(boat)}: ${boat.score}`).join(", ");
    document.getElementById("scores").textContent = `Buoys reached. ${scores}`;
    const { shown, skipped, repeated } = account;
    document.getElementById("pictures").textContent =
      `${whole.format(shown)} pictures shown, ${whole.format(skipped)} skipped for a newer one, ${repeated} shown twice`;
  }, 1_000);

  // Only the latest matters: of all that is steered while the line is away, one message goes out.
  const steer = (direction) => peer.notify("steer", direction, { key: "steer" }).catch(() => {});

  const pressed = new Set();
  const steerByKeys = () => {
    const sum = [...pressed].reduce(([x, y], key) => [x + KEYS[key][0], y + KEYS[key][1]], [0, 0]);
    const length = Math.hypot(...sum) || 1;
    steer({ x: sum[0] / length, y: sum[1] / length });
  };
  const onKey = (event) => {
    if (!Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    if (event.repeat) return;
    if (event.type === "keydown") pressed.add(event.key);
    else pressed.delete(event.key);
    steerByKeys();
  };
  const onPointer = (event) => {
    const me = now?.boats.find(({ id }) => id === mine.id);
    if (!me || event.buttons === 0) return;
    const { left, top, width, height } = sea.getBoundingClientRect();
    const x = ((event.clientX - left) / width) * WIDTH - me.x;
    const y = ((event.clientY - top) / height) * HEIGHT - me.y;
    const length = Math.hypot(x, y) || 1;
    steer({ x: x / length, y: y / length });
  };
  const letGo = () => {
    pressed.clear();
    steer(STILL);
  };
  sea.addEventListener("keydown", onKey, { signal });
  sea.addEventListener("keyup", onKey, { signal });
  sea.addEventListener("blur", letGo, { signal });
  sea.addEventListener(
    "pointerdown",
    (event) => {
      sea.setPointerCapture(event.pointerId);
      onPointer(event);
    },
    { signal },
  );
  sea.addEventListener("pointermove", onPointer, { signal });
  for (const end of ["pointerup", "pointercancel"]) sea.addEventListener(end, letGo, { signal });

  let frame = requestAnimationFrame(draw);
  function draw(time) {
    frame = requestAnimationFrame(draw);
    const sheet = now && paper(sea);
    if (!sheet) return;
    const { context, width, height } = sheet;
    context.scale(width / WIDTH, height / HEIGHT);
    drawWaves(context, moves.matches ? time : 0);
    drawBuoy(context, now.buoy, moves.matches ? time : 0);
    // Between the last two pictures, so that thirty a second look like sixty.
    const part = Math.min((performance.now() - arrivedAt) / TICK_MS, 1);
    for (const boat of now.boats) {
      const old = before?.boats.find(({ id }) => id === boat.id) ?? boat;
      const place = { ...boat, x: old.x + (boat.x - old.x) * part, y: old.y + (boat.y - old.y) * part };
      drawBoat(context, place, nameOf(boat), boat.id === mine.id);
    }
  }

  signal.addEventListener("abort", () => {
    clearInterval(seconds);
    cancelAnimationFrame(frame);
  });

  function nameOf({ id }) {
    return id === mine.id ? "You" : id < BOTS ? `Bot ${id + 1}` : `Sailor ${id - BOTS + 1}`;
  }
}

function drawWaves(context, time) {
  context.strokeStyle = colour("wave");
  context.lineWidth = 4;
  for (let y = 75; y < HEIGHT; y += 150) {
    context.beginPath();
    for (let x = 0; x <= WIDTH; x += 40) context.lineTo(x, y + Math.sin(x / 110 + y + time / 1600) * 12);
    context.stroke();
  }
}

function drawBuoy(context, { x, y }, time) {
  const swell = Math.sin(time / 250) * 5;
  context.fillStyle = colour("buoy");
  context.globalAlpha = 0.25;
  circle(context, x, y, 52 + swell);
  context.globalAlpha = 1;
  circle(context, x, y, 26);
  context.fillStyle = colour("card");
  circle(context, x, y, 11);
}

function drawBoat(context, { id, x, y, heading }, name, isYou) {
  context.save();
  context.translate(x, y);
  context.rotate(heading);
  context.beginPath();
  context.moveTo(46, 0);
  context.quadraticCurveTo(14, -30, -36, -22);
  context.lineTo(-36, 22);
  context.quadraticCurveTo(14, 30, 46, 0);
  context.fillStyle = `hsl(${HUES[id % HUES.length]} 62% 46%)`;
  context.fill();
  context.lineWidth = isYou ? 8 : 3;
  context.strokeStyle = colour(isYou ? "ink" : "card");
  context.stroke();
  context.restore();
  context.fillStyle = colour("ink");
  context.font = `${isYou ? 700 : 500} 34px system-ui, sans-serif`;
  context.textAlign = "center";
  context.fillText(name, Math.min(Math.max(x, 70), WIDTH - 70), y > HEIGHT - 90 ? y - 48 : y + 70);
}

function circle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
