import { vi } from "vitest";

interface PageEvent {
  readonly persisted?: boolean;
}

/** The listeners that both `window` and `document` do with listeners. */
class FakeTarget {
  readonly #listeners = new Map<string, Set<(event: PageEvent) => void>>();

  readonly addEventListener = (type: string, listener: (event: PageEvent) => void): void => {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
  };

  readonly removeEventListener = (type: string, listener: (event: PageEvent) => void): void => {
    this.#listeners.get(type)?.delete(listener);
  };

  fire(type: string, event: PageEvent = {}): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(event);
  }

  get size(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

class FakeDocument extends FakeTarget {
  visibilityState: "visible" | "hidden" = "visible";
}

/** A page, as much of it as tells of its life. */
export class FakePage {
  readonly window = new FakeTarget();
  readonly document = new FakeDocument();
  readonly navigator = { onLine: true };

  /** Listeners of the window and of the document. */
  get listeners(): number {
    return this.window.size + this.document.size;
  }

  show(visibilityState: "visible" | "hidden"): void {
    this.document.visibilityState = visibilityState;
    this.document.fire("visibilitychange");
  }
}

/** Makes the global object a page for the length of a test, or a worker, which has no document. */
export function usePage({ document = true } = {}): FakePage {
  const page = new FakePage();
  vi.stubGlobal("addEventListener", page.window.addEventListener);
  vi.stubGlobal("removeEventListener", page.window.removeEventListener);
  vi.stubGlobal("navigator", page.navigator);
  if (document) vi.stubGlobal("document", page.document);
  return page;
}
