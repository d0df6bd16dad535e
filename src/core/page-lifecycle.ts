import { noop } from "../base/deferred.ts";
import { SLEEP_MS, Timer } from "../base/timer.ts";

/**
 * What a page or a machine tells: the network is back (`online`) or gone (`offline`), the page can be seen (`visible`),
 * its timers stood still for over a minute (`woke`), it is about to be frozen or cached (`cached`), it is back (`back`).
 */
export type LifecycleSignal = "online" | "offline" | "visible" | "wake" | "suspend" | "restore";

/** Where signals come from. Pass one of your own where the platform has other words for it (React Native, Electron). */
export interface LifecycleSource {
  /** Tells every signal from now on, until the function that it returns is called. */
  subscribe(tell: (signal: LifecycleSignal) => void): () => void;
  /** Whether the platform believes that there is a network. */
  isOnline(): boolean;
}

/** The parts of a page that are relied on. */
interface Page {
  readonly document?: { readonly visibilityState: string } & Target;
  readonly navigator?: { readonly onLine?: boolean };
  readonly addEventListener?: unknown;
}

interface Target {
  addEventListener(type: string, listener: (event: { readonly persisted?: boolean }) => void): void;
  removeEventListener(type: string, listener: (event: { readonly persisted?: boolean }) => void): void;
}

/** How often the clock is looked at. */
const CHECK_MS = 30_000;

const page = globalThis as Page;

/**
 * The page's own signals (HTML, page lifecycle; Page Lifecycle API for `freeze` and `resume`), in a worker the network's
 * alone. Where there is neither, as in Node, it is silent. Nothing of the page is touched before somebody subscribes:
 * a server that renders the page may construct a Conn, too.
 */
export const pageLifecycle: LifecycleSource = {
  isOnline: () => !page.addEventListener || page.navigator?.onLine !== false,
  subscribe(tell) {
    if (!page.addEventListener || page.navigator?.onLine === undefined) return noop;
    const timer = new Timer();
    const undos = [() => timer.stop()];
    const on = (
      target: Target | undefined,
      type: string,
      signal: (event: { persisted?: boolean }) => LifecycleSignal | false,
    ) => {
      const listener = (event: { persisted?: boolean }) => {
        const said = signal(event);
        if (said) tell(said);
      };
      target?.addEventListener(type, listener);
      undos.push(() => target?.removeEventListener(type, listener));
    };
    const look = () => {
      const due = Date.now() + CHECK_MS;
      timer.start(
        CHECK_MS,
        () => {
          const slept = Date.now() - due > SLEEP_MS;
          look();
          if (slept) tell("wake");
        },
        true,
      );
    };
    const { document } = page;
    const window = page as unknown as Target;
    on(window, "online", () => "online");
    on(window, "offline", () => "offline");
    on(window, "pagehide", ({ persisted }) => persisted === true && "suspend");
    on(window, "pageshow", ({ persisted }) => persisted === true && "restore");
    on(document, "freeze", () => "suspend");
    on(document, "resume", () => "restore");
    on(document, "visibilitychange", () => document?.visibilityState === "visible" && "visible");
    look();
    return () => {
      for (const undo of undos) undo();
    };
  },
};
