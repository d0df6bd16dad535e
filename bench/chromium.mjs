// A client in a page, in a Chromium of its own, asked for rounds as the clients in processes are.
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";
import { CHROMIUM_ARGS, findChromium } from "../scripts/browsers.mjs";

const POLL_MS = 20;

/** Opens the page that the server at `url` has for this client, ready for rounds of `task`. */
export async function startPage(client, url, task, options) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: CHROMIUM_ARGS });
  try {
    const session = await browser.newBrowserCDPSession();
    const evaluate = await openTab(session, url.replace(/^ws/, "http"));
    await evaluate(`prepare(${JSON.stringify({ client, url, task, options })})`);
    return {
      async ask() {
        const beforeUs = await rendererUs(session);
        const result = await evaluate("round()");
        return { ...result, cpuUs: ((await rendererUs(session)) - beforeUs) / options.count };
      },
      end: () => browser.close(),
    };
  } catch (error) {
    await browser.close();
    throw error;
  }
}

/**
 * Opens a page, and gives what evaluates an expression in it. It is no page of playwright's, which watches the network of
 * its own: Chromium then reports each message to it, and that costs more than the message.
 */
async function openTab(session, url) {
  const { targetId } = await session.send("Target.createTarget", { url });
  const { sessionId } = await session.send("Target.attachToTarget", { targetId });
  const calls = [];
  session.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { id, ...answer } = JSON.parse(message);
    // Events have no id.
    calls[id]?.(answer);
  });
  const evaluate = async (expression) => {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const answer = new Promise((resolve) => calls.push(resolve));
    const message = JSON.stringify({ id: calls.length - 1, method: "Runtime.evaluate", params });
    await session.send("Target.sendMessageToTarget", { sessionId, message });
    const { result, error } = await answer;
    if (error) throw new Error(`The page is gone: ${error.message}`);
    if (result.exceptionDetails) throw new Error(`The page threw: ${result.exceptionDetails.exception.description}`);
    return result.result.value;
  };
  // Errors are ignored, because the document before the page goes away during one of these calls.
  while ((await evaluate("typeof prepare").catch(() => {})) !== "function") await setTimeout(POLL_MS);
  return evaluate;
}

/** CPU time of the processes that run pages: there is one page. */
async function rendererUs(session) {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  return renderers.reduce((total, { cpuTime }) => total + cpuTime, 0) * 1_000_000;
}
