// The globals that React Native adds to its engine, as far as a Conn needs them; TextEncoder and TextDecoder are absent.
globalThis.queueMicrotask = (act) => Promise.resolve().then(act);
// The bare engine's timers fire at once, however long they are: what the app does here needs none.
globalThis.setTimeout = () => 1;
globalThis.clearTimeout = () => {};
globalThis.performance = { now: () => Date.now() };
globalThis.AbortController = require("abort-controller/dist/abort-controller").AbortController;
// biome-ignore lint/suspicious/noReactNativeDeepImports: the app gets it as a global, and this is where the global comes from
globalThis.URL = require("react-native/Libraries/Blob/URL").URL;
globalThis.console = { log: print, error: print, warn: print };
globalThis.window = globalThis;
globalThis.navigator = { product: "ReactNative" };

/** An echo server behind the class that React Native has: plain events, no extensions, no wasClean. */
globalThis.WebSocket = class {
  readyState = 0;
  protocol = "";
  binaryType = "blob";

  constructor(url, protocols) {
    print(`dial ${url} ${protocols.join(" ")}`);
    Promise.resolve().then(() => {
      this.readyState = 1;
      this.onopen({ type: "open" });
    });
  }

  send(data) {
    Promise.resolve().then(() => this.onmessage({ type: "message", data }));
  }

  close(code, reason) {
    this.readyState = 2;
    Promise.resolve().then(() => {
      this.readyState = 3;
      this.onclose({ type: "close", code, reason });
    });
  }
};
