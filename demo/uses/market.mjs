// @ts-check

/**
 * @typedef {object} Product
 * @property {string} name
 * @property {number} price In euros.
 * @property {number[]} trail The prices before and this one, oldest first.
 * @property {number} change Since the tick before, as a fraction of the price then: 0.01 is one percent more. Rounded to 0.001.
 */

const NAMES = [
  "Anchor line, 30\u00a0m",
  "Bosun's chair",
  "Brass shackle",
  "Climbing rope, 60\u00a0m",
  "Dock line, 10\u00a0m",
  "Fender hook",
  "Hemp rope, 20\u00a0m",
  "Locking carabiner",
  "Mooring snubber",
  "Paracord, 100\u00a0m",
  "Pulley, double",
  "Rope ladder",
  "Sailing gloves",
  "Splicing fid set",
  "Storm lantern",
  "Winch handle",
];
const START_PRICE = 60;
/** The largest step of a price at one tick, as a fraction. */
const STEP = 0.04;
/** Prices that are remembered of each product. */
const TRAIL = 30;

/** Products whose prices walk at random, so that their ranking changes. */
export class Market {
  /** @type {readonly Product[]} */
  #products = NAMES.map((name) => {
    const price = START_PRICE * (0.8 + 0.4 * Math.random());
    return { name, price, trail: [price], change: 0 };
  });

  constructor() {
    for (let tick = 1; tick < TRAIL; tick++) this.tick();
  }

  tick() {
    this.#products = this.#products.map(({ name, price, trail }) => {
      // Drawn back to where it began, or a demo left running overnight would end at nothing or at millions.
      const pull = 0.02 * Math.log(START_PRICE / price);
      const change = pull + STEP * (2 * Math.random() - 1);
      const next = price * (1 + change);
      return { name, price: next, trail: [...trail, next].slice(-TRAIL), change };
    });
  }

  /**
   * The dearest products first.
   *
   * @param {number} count
   */
  top(count) {
    const ranked = [...this.#products].sort((a, b) => b.price - a.price);
    return ranked.slice(0, count).map(({ name, price, trail, change }) => ({
      name,
      price: inCents(price),
      trail: trail.map(inCents),
      change: Math.round(change * 1000) / 1000,
    }));
  }
}

/** @param {number} price */
function inCents(price) {
  return Math.round(price * 100) / 100;
}
