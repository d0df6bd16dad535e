/** The sea, in its own units, whatever the size of the canvas. */
export const WIDTH = 1600;
export const HEIGHT = 900;

const HEAD_BYTES = 5;
const BOAT_BYTES = 7;

/**
 * One picture of the game in binary, big-endian: your number, the buoy's place, how many boats, and for each its number,
 * its place, its heading in 256ths of a turn and its score. A few boats are 40 bytes, where JSON would take 400.
 *
 * @typedef {{ id: number, x: number, y: number, heading: number, score: number }} Boat
 * @typedef {{ you: number, buoy: { x: number, y: number }, boats: Boat[] }} Picture
 */

/** @param {Picture} picture */
export function marshalPicture({ you, buoy, boats }) {
  const view = new DataView(new ArrayBuffer(HEAD_BYTES + boats.length * BOAT_BYTES));
  view.setUint8(0, you);
  view.setUint16(1, buoy.x);
  view.setUint16(3, buoy.y);
  boats.forEach(({ id, x, y, heading, score }, index) => {
    const at = HEAD_BYTES + index * BOAT_BYTES;
    view.setUint8(at, id);
    view.setUint16(at + 1, x);
    view.setUint16(at + 3, y);
    view.setUint8(at + 5, Math.round((heading / (2 * Math.PI)) * 256) & 255);
    view.setUint8(at + 6, score);
  });
  return new Uint8Array(view.buffer);
}

/**
 * @param {string | Uint8Array} payload
 * @returns {Picture}
 */
export function unmarshalPicture(payload) {
  const view = viewOf(payload);
  const boats = [];
  for (let at = HEAD_BYTES; at < view.byteLength; at += BOAT_BYTES) {
    boats.push({
      id: view.getUint8(at),
      x: view.getUint16(at + 1),
      y: view.getUint16(at + 3),
      heading: (view.getUint8(at + 5) / 256) * 2 * Math.PI,
      score: view.getUint8(at + 6),
    });
  }
  return { you: view.getUint8(0), buoy: { x: view.getUint16(1), y: view.getUint16(3) }, boats };
}

/**
 * Where a player steers: two signed bytes, right and down, of at most 127.
 *
 * @typedef {{ x: number, y: number }} Steer Each from -1 to 1.
 */

/** @param {Steer} steer */
export function marshalSteer({ x, y }) {
  return new Uint8Array(Int8Array.of(Math.round(x * 127), Math.round(y * 127)).buffer);
}

/**
 * @param {string | Uint8Array} payload
 * @returns {Steer}
 */
export function unmarshalSteer(payload) {
  const view = viewOf(payload);
  if (view.byteLength !== 2) throw new RangeError(`a steer has 2 bytes, not ${view.byteLength}`);
  return { x: Math.max(-1, view.getInt8(0) / 127), y: Math.max(-1, view.getInt8(1) / 127) };
}

/** @param {string | Uint8Array} payload */
function viewOf(payload) {
  if (typeof payload === "string") throw new TypeError("expected bytes, got text");
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}
