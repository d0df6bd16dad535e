import { noop } from "../base/deferred.ts";
import { SLEEP_MS, Timer } from "../base/timer.ts";

/**
 * A change of the page or the machine: the network is back (`online`) or gone (`offline`), the page can be seen
 * (`visible`), timers stood still for over a minute (`wake`), the page is about to be frozen or cached (`suspend`), the
 * page is back (`restore`), the page goes for good (`unload`).
 */
export type LifecycleSignal = "online" | "offline" | "visible" | "wake" | "suspend" | "restore" | "unload";

/** Where signals come from. Pass your own on platforms with other events (React Native, Electron). */
export interface LifecycleSource {
  /** Calls `listener` on every signal. Returns an unsubscribe function. */
  subscribe(listener: (signal: LifecycleSignal) => void): () => void;
  /** Whether the platform believes that there is a network. */
  isOnline(): boolean;
}

/** The parts of a page that are used. */
interface Page {
  readonly document?: { readonly visibilityState: string } & Target;
  readonly navigator?: { readonly onLine?: boolean };
  readonly addEventListener?: unknown;
}

interface Target {
  addEventListener(type: string, listener: (event: { readonly persisted?: boolean }) => void): void;
  removeEventListener(type: string, listener: (event: { readonly persisted?: boolean }) => void): void;
}

/** The interval between two checks of the clock, in milliseconds. */
const CHECK_MS = 30_000;

const page = globalThis as Page;

/**
 * The page's own signals (HTML, page lifecycle; Page Lifecycle API for `freeze` and `resume`); in a worker those of the
 * network alone; in Node none. Touches nothing of the page before `subscribe()`, because a server that renders the page
 * may construct a Conn too.
 */
export const pageLifecycle: LifecycleSource = {
  isOnline: () => !page.addEventListener || page.navigator?.onLine !== false,
  subscribe(listener) {
    if (!page.addEventListener || page.navigator?.onLine === undefined) return noop;
    const timer = new Timer();
    const removals = [() => timer.stop()];
    const on = (
      target: Target | undefined,
      type: string,
      toSignal: (event: { persisted?: boolean }) => LifecycleSignal | false,
    ) => {
      const onEvent = (event: { persisted?: boolean }) => {
        const signal = toSignal(event);
        if (signal) listener(signal);
      };
      target?.addEventListener(type, onEvent);
      removals.push(() => target?.removeEventListener(type, onEvent));
    };
    const checkClock = (lateMs = 0) => {
      timer.start(CHECK_MS, checkClock, true);
      if (lateMs > SLEEP_MS) listener("wake");
    };
    const { document } = page;
    const window = page as unknown as Target;
    on(window, "online", () => "online");
    on(window, "offline", () => "offline");
    on(window, "pagehide", ({ persisted }) => (persisted ? "suspend" : persisted === false && "unload"));
    on(window, "pageshow", ({ persisted }) => persisted === true && "restore");
    on(document, "freeze", () => "suspend");
    on(document, "resume", () => "restore");
    on(document, "visibilitychange", () => document?.visibilityState === "visible" && "visible");
    checkClock();
    return () => {
      for (const remove of removals) remove();
    };
  },
};
