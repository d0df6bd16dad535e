import type { RefusalCode } from "../channels/protocol/refusals.ts";

/** The right that a client asks for: to get the messages of a channel, to publish to it, or to be a member and see the others. */
export type ChannelAction = "subscribe" | "publish" | "presence";

/** A question for `authorize`. */
export interface AuthorizeRequest {
  /** The client, as `serve()` was given it. Undefined for an anonymous one. */
  readonly client: string | undefined;
  /** The name of the channel. A pattern of the option `channels` fits it. */
  readonly channel: string;
  /** The right that the client asks for. */
  readonly action: ChannelAction;
}

/** Returns whether a client may do something. Anything but true, or a promise of true, refuses. */
export type Authorize = (request: AuthorizeRequest) => boolean | PromiseLike<boolean>;

const LATE = "late";

/** Asks the application, within a time. */
export class Authorizer {
  readonly #authorize: Authorize;
  readonly #timeoutMs: number;
  readonly #onError: (error: unknown) => void;

  constructor(authorize: Authorize, timeoutMs: number, onError: (error: unknown) => void) {
    this.#authorize = authorize;
    this.#timeoutMs = timeoutMs;
    this.#onError = onError;
  }

  /** Resolves with undefined for yes. Never rejects: an application that throws, or takes too long, can't be asked. */
  async decide(request: AuthorizeRequest): Promise<RefusalCode | undefined> {
    try {
      const answer = this.#authorize(request);
      const isGranted = typeof answer === "boolean" ? answer : await this.#within(answer);
      if (isGranted === LATE) return "unavailable";
      return isGranted === true ? undefined : "denied";
    } catch (error) {
      this.#onError(error);
      return "unavailable";
    }
  }

  /** Resolves with `LATE` when the time is over. */
  #within(answer: PromiseLike<boolean>): Promise<boolean | typeof LATE> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve(LATE), this.#timeoutMs);
      Promise.resolve(answer)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }
}
