import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { type BrokerLine, isMissing, MOSQUITTO, startBroker } from "./brokers.ts";
import { DEAD_AFTER_MS, HEARTBEAT, SLACK_MS, sleep } from "./line.ts";
import { mqttScript } from "./packages.ts";

const executablePath = findChromium();

// Where one is not installed: apt-get install mosquitto chromium.
describe.skipIf(isMissing(MOSQUITTO) || !executablePath)("MQTT.js in a page", () => {
  let browser: Browser;
  let broker: BrokerLine;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath as string, args: CHROMIUM_ARGS });
  }, 30_000);
  afterAll(() => browser.close());
  afterEach(() => broker.close());

  /** A page whose client follows a topic. A heartbeat sends MQTT's own PINGREQ, and takes PINGRESP for the answer. */
  async function open(): Promise<Page> {
    broker = await startBroker(MOSQUITTO);
    const page = await browser.newPage();
    const script = join(import.meta.dirname, "../../dist/tautline-websocket.min.js");
    for (const file of [script, mqttScript()]) await page.addScriptTag({ content: readFileSync(file, "utf8") });
    await page.evaluate(`
      const WebSocketClass = Tautline.webSocket({
        connectTimeoutMs: 500,
        heartbeat: {
          ...${JSON.stringify(HEARTBEAT)},
          ping: () => Uint8Array.of(0xc0, 0),
          isPong: (payload) => payload[0] === 0xd0,
        },
      });
      var received = [], events = [];
      var client = mqtt.connect("${broker.url}", {
        createWebsocket: (url, protocols) => new WebSocketClass(url, protocols),
        reconnectPeriod: 20,
        keepalive: 0,
      });
      for (const name of ["connect", "close"]) client.on(name, () => events.push(name));
      client.on("message", (_topic, payload) => received.push(String(payload)));
      client.subscribe("ropes");
      void 0;
    `);
    await until(page, 'events.includes("connect")');
    return page;
  }

  test('with "close" it dials again itself after a drop, and keeps its subscription', async () => {
    const page = await open();
    await page.evaluate('client.publish("ropes", "before", { qos: 1 }), 0');
    await until(page, "received.length === 1");
    broker.proxy.cut();
    await until(page, 'events.filter((name) => name === "connect").length === 2');
    await page.evaluate('client.publish("ropes", "after", { qos: 1 }), 0');
    await until(page, "received.length === 2");
    expect(await page.evaluate("received")).toEqual(["before", "after"]);
  });

  test('with "close" a black hole is known after the time of the heartbeat', async () => {
    const page = await open();
    const start = performance.now();
    broker.proxy.blackhole();
    await until(page, 'events.includes("close")');
    expect(performance.now() - start).toBeLessThan(DEAD_AFTER_MS + SLACK_MS);
    await broker.proxy.heal();
    await until(page, 'events.filter((name) => name === "connect").length === 2');
  });
});

async function until(page: Page, condition: string, ms = 10_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await page.evaluate(condition))) {
    if (performance.now() > end) throw new Error(`${condition}: not within ${ms} ms.`);
    await sleep(10);
  }
}
