// @ts-check
import { parseArgs } from "node:util";
import { createDemo } from "./server.mjs";

const HOST = "127.0.0.1";
const USAGE = "Usage: npm start -- [--port <0 to 65535, 0 picks one>] [--every <milliseconds, at least 10>]";

const { port, every } = readArguments();
const demo = await createDemo({ everyMs: every, print });

demo.server.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
  fail(
    error.code === "EADDRINUSE"
      ? `Port ${port} of ${HOST} is taken. Choose another one, such as: npm start -- --port ${(port % 65535) + 1}`
      : `Can't listen on port ${port} of ${HOST}: ${error.message}`,
  );
});
demo.server.listen(port, HOST, () => {
  const address = /** @type {import("node:net").AddressInfo} */ (demo.server.address());
  console.log(`The demo is at http://${HOST}:${address.port}/ (Ctrl-C ends it)`);
});
process.once("SIGINT", demo.close).once("SIGTERM", demo.close);

function readArguments() {
  try {
    const options = /** @type {const} */ ({ port: { type: "string" }, every: { type: "string" } });
    const { port = "8080", every = "1000" } = parseArgs({ options }).values;
    return { port: wholeNumber("port", port, 0, 65_535), every: wholeNumber("every", every, 10, 2 ** 31 - 1) };
  } catch (error) {
    return fail(`${/** @type {Error} */ (error).message}\n${USAGE}`);
  }
}

/**
 * @param {string} name
 * @param {string} text
 * @param {number} min
 * @param {number} max
 */
function wholeNumber(name, text, min, max) {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new Error(`--${name} must be a whole number from ${min} to ${max}; got ${JSON.stringify(text)}.`);
}

/**
 * Prints text of clients, which must not move the cursor, colour the terminal or turn the reading direction.
 *
 * @param {string} line
 */
function print(line) {
  const safe = line.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escapeCharacter);
  console.log(`${new Date().toTimeString().slice(0, 8)} ${safe}`);
}

/** @param {string} character */
function escapeCharacter(character) {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(1);
}
