// @ts-check
import { Codec } from "tautline";
import { HEIGHT, marshalPicture, unmarshalSteer, WIDTH } from "../shared/frames.js";

/**
 * @typedef {import("../shared/frames.js").Steer} Steer
 * @typedef {import("../shared/frames.js").Picture} Picture
 * @typedef {import("tautline/server").ServerConn<Steer, Picture>} GameConn
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

/** @type {Codec<Steer, Picture>} */
export const gameCodec = new Codec({ marshal: marshalPicture, unmarshal: unmarshalSteer });

/** Boats that race for one buoy. It stands still while nobody watches. */
export class Game {
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
    this.#start();
    for await (const steer of conn) sailor.steer = steer;
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
    for (const [conn, { id }] of this.#players) {
      // Volatile: a picture that can't leave at once is stale, and the next one comes in 33 ms.
      if (conn.state === "open") conn.send({ you: id, buoy: this.#buoy, boats }, { volatile: true });
    }
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

function anywhere() {
  return {
    x: MARGIN + Math.random() * (WIDTH - 2 * MARGIN),
    y: MARGIN + Math.random() * (HEIGHT - 2 * MARGIN),
  };
}
