/** The sea, in its own units, whatever the size of the canvas. */
export const WIDTH = 1600;
export const HEIGHT = 900;

const HEAD_BYTES = 8;
const BOAT_BYTES = 7;

/**
 * One picture of the game in binary, big-endian: its number, the buoy's place, and for each boat its number, its place, its
 * heading in 256ths of a turn and its score. A few boats are 40 bytes, where JSON would take 400.
 *
 * @typedef {{ id: number, x: number, y: number, heading: number, score: number }} Boat
 * @typedef {{ n: number, buoy: { x: number, y: number }, boats: Boat[] }} Picture
 */

/** @param {Picture} picture */
export function marshalPicture({ n, buoy, boats }) {
  const view = new DataView(new ArrayBuffer(HEAD_BYTES + boats.length * BOAT_BYTES));
  view.setUint32(0, n);
  view.setUint16(4, buoy.x);
  view.setUint16(6, buoy.y);
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
 * @param {Uint8Array} bytes
 * @returns {Picture}
 */
export function unmarshalPicture(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
  return { n: view.getUint32(0), buoy: { x: view.getUint16(4), y: view.getUint16(6) }, boats };
}
