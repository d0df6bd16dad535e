// Runs the contract where there is a WebSocket and no DOM: what React Native has, as far as Node can play it. Its events
// are plain objects; a close event has no wasClean, bufferedAmount stands still and extensions are unknown.
import Ws from "ws";

class ReactNativeWebSocket {
  readyState = 0;
  bufferedAmount = 0;
  protocol = "";
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;
  #ws;
  #binaryType = "blob";

  constructor(url, protocols) {
    this.#ws = new Ws(url, protocols, { origin: new URL(url).origin.replace(/^ws/, "http") });
    this.#ws.on("open", () => {
      this.readyState = 1;
      this.protocol = this.#ws.protocol;
      this.onopen?.({ type: "open" });
    });
    this.#ws.on("message", (data, isBinary) => {
      if (isBinary && this.#binaryType !== "arraybuffer") throw new Error("There is no Blob here.");
      const bytes = new Uint8Array(data);
      this.onmessage?.({ type: "message", data: isBinary ? bytes.buffer : String(data) });
    });
    this.#ws.on("error", ({ message }) => {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.onerror?.({ type: "error", message });
      this.onclose?.({ type: "close", code: 1006, reason: message });
    });
    this.#ws.on("close", (code, reason) => {
      if (this.readyState === 3) return;
      this.readyState = 3;
      // Android has null where no reason was given.
      this.onclose?.({ type: "close", code, reason: String(reason) || null });
    });
  }

  get binaryType() {
    return this.#binaryType;
  }

  set binaryType(type) {
    if (type !== "blob" && type !== "arraybuffer") throw new TypeError("binaryType must be blob or arraybuffer");
    this.#binaryType = type;
  }

  send(data) {
    if (this.readyState === 0) throw new Error("INVALID_STATE_ERR");
    this.#ws.send(data);
  }

  close(code, reason) {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    if (code === undefined) this.#ws.close();
    else this.#ws.close(code, reason);
  }
}

const order = JSON.parse(process.argv[2]);
// Node's fetch() is loaded by its first call, and takes the DOM's classes then.
await fetch(`http://${order.base}/log`);

for (const name of ["Event", "EventTarget", "MessageEvent", "CloseEvent", "CustomEvent", "BroadcastChannel"]) {
  delete globalThis[name];
}
globalThis.window = globalThis;
globalThis.navigator = { product: "ReactNative" };
globalThis.WebSocket = ReactNativeWebSocket;

// Metro finds the build for browsers.
const [tautline, { resume }, { runAll }] = await Promise.all([
  import("../dist/browser/index.mjs"),
  import("../dist/browser/resume.mjs"),
  import("./contract.mjs"),
]);
console.log(JSON.stringify(await runAll({ ...order, tautline, resume })));
