// @ts-check
import { cbor } from "tautline/codec/cbor";
import { hub } from "tautline/hub";
import { rpc } from "tautline/rpc";
import { HEIGHT, marshalPicture, WIDTH } from "../shared/frames.js";

/**
 * @typedef {{ x: number, y: number }} Steer Right and down, each from -1 to 1.
 * @typedef {import("tautline/server").ServerConn<unknown, unknown>} GameConn
 * @typedef {{ id: number, x: number, y: number, vx: number, vy: number, heading: number, score: number, steer: Steer, isBot: boolean }} Sailor
 */

const TICK_MS = 1000 / 30;
const MAX_SAILORS = 40;
const BOTS = 2;
const REACH = 60;
const MARGIN = 80;
const PUSH = 1.1;
const BOT_PUSH = 0.62;
const DRAG = 0.93;

/** Binary, so that a picture is bytes on the wire, too. */
export const gameCodec = cbor();

/**
 * Boats that race for one buoy. Every picture is published to a channel without history, which gives each client what fits
 * at the moment: a picture that comes late is stale. The sea stands still while nobody watches.
 */
export class Game {
  #topics = hub({
    channels: { sea: { deliver: "fitting" } },
    authorize: ({ action }) => action === "subscribe",
    codec: gameCodec,
  });
  #id = crypto.randomUUID();
  #pictures = 0;
  /** @type {Map<GameConn, Sailor>} */
  #players = new Map();
  #bots = Array.from({ length: BOTS }, (_, index) => newSailor(index, true));
  #buoy = anywhere();
  /** @type {NodeJS.Timeout | undefined} */
  #clock;
  #due = 0;

  /** @param {GameConn} conn */
  async serve(conn) {
    if (this.#players.size >= MAX_SAILORS) throw new Error(`there are ${MAX_SAILORS} boats at sea`);
    const sailor = newSailor(this.#freeId(), false);
    this.#players.set(conn, sailor);
    conn.on("closed", () => this.#leave(conn));
    // A sailor whose client is away drifts, because no one steers.
    conn.on("disconnected", () => Object.assign(sailor, { steer: { x: 0, y: 0 } }));
    const peer = rpc(conn);
    peer.on("steer", (params) => Object.assign(sailor, { steer: steerOf(params) }));
    // Before the first picture, in which the page looks for its own boat.
    peer.notify("boat", { id: sailor.id, sea: this.#id });
    this.#start();
    await this.#topics.serve(peer);
  }

  close() {
    clearTimeout(this.#clock);
    return this.#topics.close();
  }

  #freeId() {
    const taken = new Set([...this.#players.values()].map(({ id }) => id));
    let id = BOTS;
    while (taken.has(id)) id++;
    return id;
  }

  /** @param {GameConn} conn */
  #leave(conn) {
    this.#players.delete(conn);
    if (this.#players.size > 0) return;
    clearTimeout(this.#clock);
    this.#clock = undefined;
  }

  #start() {
    if (this.#clock) return;
    this.#due = performance.now();
    this.#step();
  }

  #step() {
    const boats = [...this.#bots, ...this.#players.values()];
    for (const bot of this.#bots) bot.steer = towards(bot, this.#buoy, BOT_PUSH);
    for (const boat of boats) sail(boat);
    const winner = boats.find(({ x, y }) => Math.hypot(x - this.#buoy.x, y - this.#buoy.y) < REACH);
    if (winner) {
      winner.score = (winner.score + 1) % 256;
      this.#buoy = anywhere();
    }
    this.#topics.publish("sea", marshalPicture({ n: ++this.#pictures, buoy: this.#buoy, boats })).catch(() => {});
    // Due times do not drift, as those of an interval in whole milliseconds would.
    const now = performance.now();
    this.#due = Math.max(this.#due + TICK_MS, now - TICK_MS);
    this.#clock = setTimeout(() => this.#step(), this.#due - now);
  }
}

/** @param {Sailor} boat */
function sail(boat) {
  boat.vx = (boat.vx + boat.steer.x * PUSH) * DRAG;
  boat.vy = (boat.vy + boat.steer.y * PUSH) * DRAG;
  boat.x = Math.min(Math.max(boat.x + boat.vx, 0), WIDTH);
  boat.y = Math.min(Math.max(boat.y + boat.vy, 0), HEIGHT);
  if (Math.hypot(boat.vx, boat.vy) > 0.5) boat.heading = (Math.atan2(boat.vy, boat.vx) + 2 * Math.PI) % (2 * Math.PI);
}

/**
 * @param {Sailor} bot
 * @param {{ x: number, y: number }} goal
 * @param {number} push
 * @returns {Steer}
 */
function towards({ id, x, y }, goal, push) {
  const angle = Math.atan2(goal.y - y, goal.x - x) + Math.sin(performance.now() / 700 + id) / 2;
  return { x: Math.cos(angle) * push, y: Math.sin(angle) * push };
}

/**
 * @param {number} id
 * @param {boolean} isBot
 * @returns {Sailor}
 */
function newSailor(id, isBot) {
  return { id, ...anywhere(), vx: 0, vy: 0, heading: 0, score: 0, steer: { x: 0, y: 0 }, isBot };
}

/**
 * Returns no direction for what is none.
 *
 * @param {unknown} params
 * @returns {Steer}
 */
function steerOf(params) {
  const { x, y } = Object(params);
  const share = (/** @type {unknown} */ value) =>
    Number.isFinite(value) ? Math.min(Math.max(Number(value), -1), 1) : 0;
  return { x: share(x), y: share(y) };
}

function anywhere() {
  return {
    x: MARGIN + Math.random() * (WIDTH - 2 * MARGIN),
    y: MARGIN + Math.random() * (HEIGHT - 2 * MARGIN),
  };
}
