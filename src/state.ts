import type { ConnError } from "./errors.ts";
import type { LostInfo } from "./verdict.ts";

/**
 * Why a Conn waits before it dials: our own backoff, no network, the server's wish, a page in the back/forward cache. On
 * a server: the peer is away, and its session kept.
 */
export type WaitReason = "backoff" | "offline" | "server" | "page" | "peer";
/** Who ended the Conn. */
export type EndedBy = "us" | "peer" | "verdict" | "gave-up" | "signal";

/** The code and reason of a close frame. */
export interface Goodbye {
  readonly code: number;
  readonly reason: string;
}

/** The state of a Conn, with what belongs to it. */
export type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly attempt: number }
  | { readonly name: "open"; readonly attempt: number; readonly isStable: boolean }
  | { readonly name: "waiting"; readonly attempt: number; readonly reason: WaitReason }
  | { readonly name: "closing"; readonly goodbye: Goodbye }
  | { readonly name: "closed" };

/**
 * Where a Conn is in its life: not dialed yet, connecting (setup included), usable, between two connections, saying
 * goodbye, ended for good.
 */
export type StateName = "idle" | "connecting" | "open" | "waiting" | "closing" | "closed";

/** What comes of a lost connection: computed by the owner, since it takes randomness and the user's functions. */
export type Plan =
  | { readonly retry: true; readonly delayMs: number; readonly reason: WaitReason }
  | { readonly retry: false; readonly by: EndedBy; readonly error: ConnError | undefined };

export type Input =
  | { readonly type: "ready" | "stable" | "flushed" | "timedOut" | "elapsed" | "toldToMove" }
  /** `floorMs` is what the last dial leaves of the shortest time between two, where it counts. */
  | { readonly type: "connect" | "reconnect"; readonly floorMs?: number }
  | { readonly type: "lost"; readonly info: LostInfo; readonly plan: Plan }
  | { readonly type: "close"; readonly goodbye: Goodbye }
  | { readonly type: "pageCached" | "pageBack" }
  /** The network or the page is back. */
  | { readonly type: "awake"; readonly floorMs: number }
  | { readonly type: "aborted"; readonly error: ConnError };

/** What is to be done. Whatever dials, waits or settles first leaves the connection, politely if there is a `goodbye`. */
export type Effect =
  | { readonly type: "dial"; readonly attempt: number; readonly goodbye: Goodbye | undefined }
  | { readonly type: "wait"; readonly delayMs: number; readonly goodbye: Goodbye | undefined }
  | { readonly type: "serve" | "flush" }
  | { readonly type: "sayGoodbye"; readonly goodbye: Goodbye }
  | {
      readonly type: "settle";
      readonly goodbye: Goodbye | undefined;
      readonly by: EndedBy;
      readonly end: Goodbye;
      readonly clean: boolean;
      readonly error: ConnError | undefined;
    };

type Step = readonly [State, Effect?];

/** Told to a peer that we leave for another connection, or for the back/forward cache. */
export const AWAY: Goodbye = { code: 4001, reason: "" };
const ABNORMAL: Goodbye = { code: 1006, reason: "" };
const FOR_EVER = Number.POSITIVE_INFINITY;

/**
 * The life of a Conn. `lost` stands for every way in which a connection or an attempt ends unasked: its own end, a
 * timeout, a heartbeat without answer. Whatever comes where the table has no row changes nothing. A dial by `connect`,
 * `reconnect` or `awake` within the floor of the last one waits for the rest of it first.
 *
 * | in | input | next | effect |
 * |---|---|---|---|
 * | idle | connect, reconnect | connecting | dial |
 * | waiting | elapsed, connect, reconnect, pageBack | connecting | dial |
 * | waiting (backoff, offline) | awake | connecting | dial |
 * | connecting, open | reconnect | connecting | dial |
 * | connecting | ready | open | serve |
 * | open | stable | open, attempt 0 | – |
 * | connecting, open | lost, to be retried | waiting | wait |
 * | connecting, open | lost, final | closed | settle |
 * | open | toldToMove | connecting | dial |
 * | connecting, open, waiting (not page) | pageCached | waiting (page) | wait for ever |
 * | open | close | closing | flush |
 * | closing | flushed | closing | sayGoodbye |
 * | closing | lost, timedOut, pageCached | closed | settle |
 * | idle, connecting, waiting | close | closed | settle |
 * | any but closed | aborted | closed | settle |
 */
export function step(state: State, input: Input): Step {
  const { name } = state;
  const attempt = "attempt" in state ? state.attempt : 0;
  const isLive = name === "connecting" || name === "open";
  const isWaiting = name === "waiting";
  const isClosing = name === "closing";
  const goodbye = name === "open" ? AWAY : undefined;
  const wait = (reason: WaitReason, delayMs: number): Step => [
    { name: "waiting", attempt, reason },
    { type: "wait", delayMs, goodbye },
  ];

  const dial = (floorMs = 0): Step =>
    floorMs > 0
      ? wait(isWaiting ? state.reason : "backoff", floorMs)
      : [
          { name: "connecting", attempt },
          { type: "dial", attempt, goodbye },
        ];

  if (name === "closed") return [state];
  switch (input.type) {
    case "connect":
      if (isWaiting || name === "idle") return dial(input.floorMs);
      break;
    case "elapsed":
    case "pageBack":
      if (isWaiting) return dial();
      break;
    case "reconnect":
      if (!isClosing) return dial(input.floorMs);
      break;
    case "awake":
      if (!isWaiting || state.reason === "server" || state.reason === "page") break;
      return dial(input.floorMs);
    case "ready":
      if (name === "connecting") return [{ name: "open", attempt, isStable: false }, { type: "serve" }];
      break;
    case "stable":
      if (name === "open") return [{ name, attempt: 0, isStable: true }];
      break;
    case "lost": {
      const { info, plan } = input;
      if (isClosing) return closed("us", info, info.clean);
      if (!isLive) break;
      if (!plan.retry) return closed(plan.by, info, info.clean, plan.error);
      return [
        { name: "waiting", attempt: attempt + 1, reason: plan.reason },
        { type: "wait", delayMs: plan.delayMs, goodbye: undefined },
      ];
    }
    case "toldToMove":
      if (name === "open") return dial();
      break;
    case "pageCached":
      if (isLive || (isWaiting && state.reason !== "page")) return wait("page", FOR_EVER);
      if (isClosing) return closed("us", ABNORMAL, false);
      break;
    case "close":
      if (name === "open") return [{ name: "closing", goodbye: input.goodbye }, { type: "flush" }];
      if (!isClosing) return closed("us", input.goodbye, true, undefined, input.goodbye);
      break;
    case "flushed":
      if (isClosing) return [state, { type: "sayGoodbye", goodbye: state.goodbye }];
      break;
    case "timedOut":
      if (isClosing) return closed("us", ABNORMAL, false);
      break;
    case "aborted":
      return closed("signal", ABNORMAL, false, input.error);
  }
  return [state];
}

function closed(by: EndedBy, { code, reason }: Goodbye, clean: boolean, error?: ConnError, goodbye?: Goodbye): Step {
  return [{ name: "closed" }, { type: "settle", by, end: { code, reason }, clean, error, goodbye }];
}
