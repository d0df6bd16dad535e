import { Emitter } from "../../../src/base/emitter.ts";
import type { ConnError } from "../../../src/base/errors.ts";
import type { StateName } from "../../../src/core/state-machine.ts";

interface FakeEvents<In> {
  message: In;
  state: undefined;
  open: { readonly resumed: boolean };
  waiting: undefined;
}

/** A source of messages and of states, which a test moves by hand. It counts its listeners. */
export class FakeSource<In> {
  readonly #emitter = new Emitter<FakeEvents<In>>();
  state: StateName = "idle";
  waiting: { readonly attempt: number; readonly retryAt: number } | null = null;
  listeners = 0;

  on<Name extends keyof FakeEvents<In>>(
    event: Name,
    listener: (payload: FakeEvents<In>[Name]) => void,
    options?: { readonly signal?: AbortSignal | undefined },
  ): () => void {
    this.listeners++;
    const off = this.#emitter.on(event, listener, options);
    let isOn = true;
    return () => {
      if (isOn) this.listeners--;
      isOn = false;
      off();
    };
  }

  declare [Symbol.asyncIterator]: () => AsyncIterator<In>;

  emit(message: In): void {
    this.#emitter.emit("message", message);
  }

  go(state: StateName): void {
    this.state = state;
    if (state !== "waiting") this.waiting = null;
    this.#emitter.emit("state", undefined);
  }

  open(resumed = false): void {
    this.go("open");
    this.#emitter.emit("open", { resumed });
  }

  wait(attempt: number, delayMs: number): void {
    this.waiting = { attempt, retryAt: Date.now() + delayMs };
    this.go("waiting");
    this.#emitter.emit("waiting", undefined);
  }
}

/** A source that emits the errors of its layers. */
export class ReportingSource<In> extends FakeSource<In> {
  readonly errors: ConnError[] = [];

  report(error: ConnError): void {
    this.errors.push(error);
  }
}
