// @ts-check
import { parseArgs } from "node:util";
import { reach } from "./engines.mjs";
import { print } from "./print.mjs";
import { createDemo } from "./server.mjs";

const HOST = "127.0.0.1";
const MAX_NODES = 9;
const USAGE =
  "Usage: npm start -- [--port <0 to 65535, 0 picks one>] [--every <milliseconds, at least 10>] " +
  `[--nodes <1 to ${MAX_NODES}>] [--redis <address>]`;

const { port, every, nodes, redis } = readArguments();
if (redis !== undefined) await reach(redis).catch(failToReach);
const demo = await createDemo({ everyMs: every, print, nodes, redis });

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
    const text = /** @type {const} */ ({ type: "string" });
    const options = { port: text, every: text, nodes: text, redis: text };
    const { port = "8080", every = "1000", nodes = "1", redis } = parseArgs({ options }).values;
    const count = wholeNumber("nodes", nodes, 1, MAX_NODES);
    if (redis !== undefined && !/^rediss?:$/.test(URL.canParse(redis) ? new URL(redis).protocol : "")) {
      throw new Error(`--redis must be an address such as redis://127.0.0.1:6379; got ${JSON.stringify(redis)}.`);
    }
    if (count > 1 && redis === undefined) {
      throw new Error(
        `--nodes ${count} needs --redis: several processes share their channels through Redis. Start one, and say ` +
          `where it is, such as: npm start -- --nodes ${count} --redis redis://127.0.0.1:6379`,
      );
    }
    return {
      port: wholeNumber("port", port, 0, 65_535),
      every: wholeNumber("every", every, 10, 2 ** 31 - 1),
      nodes: count,
      redis,
    };
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

/** @param {unknown} error */
function failToReach(error) {
  // The host alone, because the address may have a password.
  fail(`Can't reach Redis at ${new URL(redis ?? "").host}: ${error instanceof Error ? error.message : error}`);
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(1);
}
