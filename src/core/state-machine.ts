import { ABNORMAL, LEAVING, NORMAL } from "../base/close-codes.ts";
import type { ConnError } from "../base/errors.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";

/**
 * Why a Conn waits before it dials: its own backoff, no network, a delay that the server requested, a page in the
 * back/forward cache. On a server: the peer is away, and its session is kept.
 */
export type WaitReason = "backoff" | "offline" | "server" | "suspended" | "peer";
/** The side, or the rule, that ended the Conn. */
export type ClosedBy = "local" | "peer" | "policy" | "gave-up" | "signal";

/** The code and reason of a close frame. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** The state of a Conn, with what belongs to it. */
export type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly attempt: number }
  | { readonly name: "open"; readonly attempt: number; readonly isStable: boolean }
  /** `isShortest`: whether the wait is the rest of the minimum interval, which nothing can cut short. */
  | {
      readonly name: "waiting";
      readonly attempt: number;
      readonly reason: WaitReason;
      readonly isShortest?: boolean | undefined;
    }
  | { readonly name: "closing"; readonly frame: CloseFrame }
  | { readonly name: "closed" };

/**
 * The state of a Conn: not dialed yet, connecting (setup included), open, waiting between two connections, closing, closed
 * for good.
 */
export type StateName = "idle" | "connecting" | "open" | "waiting" | "closing" | "closed";

/** The decision after an ending. The owner makes the decision, because it takes randomness and functions of the user. */
export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number; readonly reason: WaitReason }
  | { readonly retry: false; readonly by: ClosedBy; readonly error: ConnError | undefined };

export type MachineEvent =
  | { readonly type: "ready" | "stable" | "flushed" | "timedOut" | "delayElapsed" | "suspended" | "unloaded" }
  /** `wakeUp`: the network or the page is back. */
  | { readonly type: "connect" | "reconnect" | "moveRequested" | "restored" | "wakeUp" }
  /** `frame`: the close frame for a peer that must be left. */
  | {
      readonly type: "disconnected";
      readonly info: DisconnectInfo;
      readonly plan: RetryDecision;
      readonly frame?: CloseFrame | undefined;
    }
  | { readonly type: "close"; readonly frame: CloseFrame }
  | { readonly type: "aborted"; readonly error: ConnError };

/** An action for the owner to perform. `dial`, `wait` and `finish` first leave the connection, with a close frame where there is a `frame`. */
export type Effect =
  | { readonly type: "dial"; readonly attempt: number; readonly frame: CloseFrame | undefined }
  | { readonly type: "wait"; readonly delayMs: number; readonly frame: CloseFrame | undefined }
  | { readonly type: "activate" | "flush" }
  | { readonly type: "sendClose"; readonly frame: CloseFrame }
  | {
      readonly type: "finish";
      readonly frame: CloseFrame | undefined;
      readonly by: ClosedBy;
      readonly end: CloseFrame;
      readonly clean: boolean;
      readonly error: ConnError | undefined;
    };

type Step = readonly [State, Effect?];

/** The close frame for a peer that the Conn leaves for another connection, or for the back/forward cache. */
const LEAVE: CloseFrame = { code: LEAVING, reason: "" };
const NO_FRAME: CloseFrame = { code: ABNORMAL, reason: "" };
/** The close frame of a page that goes for good: it ends the session at once, where there is one. */
const UNLOAD: CloseFrame = { code: NORMAL, reason: "" };
const FOREVER = Number.POSITIVE_INFINITY;

/**
 * Decides what an event leads to: the next state, and at most one effect. `floorMs` is the time left of the minimum
 * interval since the last dial, in milliseconds. `disconnected` stands for every way in which a connection or an
 * attempt ends unasked: its own end, a timeout, a heartbeat without an answer. An event without a row for the state
 * changes nothing. A dial by `connect`, `reconnect`, `moveRequested`, `restored` or `wakeUp` within the minimum
 * interval since the last one waits for the rest of it first.
 *
 * | in | event | next | effect |
 * |---|---|---|---|
 * | idle | connect, reconnect | connecting | dial |
 * | waiting | delayElapsed, connect, reconnect, restored | connecting | dial |
 * | waiting (backoff, offline) | wakeUp | connecting | dial |
 * | connecting, open | reconnect | connecting | dial |
 * | connecting | ready | open | activate |
 * | open | stable | open, attempt 0 | – |
 * | connecting, open | disconnected, to be retried | waiting | wait |
 * | connecting, open | disconnected, final | closed | finish |
 * | open | moveRequested | connecting | dial |
 * | connecting, open, waiting (not suspended) | suspended | waiting (suspended) | wait for ever |
 * | open | close | closing | flush |
 * | closing | flushed | closing | sendClose |
 * | closing | disconnected, suspended, timedOut | closed | finish |
 * | any but closed | unloaded | closed | finish |
 * | idle, connecting, waiting | close | closed | finish |
 * | any but closed | aborted | closed | finish |
 */
export function transition(state: State, event: MachineEvent, floorMs = 0): Step {
  const { name } = state;
  const attempt = "attempt" in state ? state.attempt : 0;
  const isLive = name === "connecting" || name === "open";
  const isWaiting = name === "waiting";
  const isClosing = name === "closing";
  const frame = name === "open" ? LEAVE : undefined;
  const wait = (reason: WaitReason, delayMs: number, isShortest?: true): Step => [
    { name: "waiting", attempt, reason, isShortest },
    { type: "wait", delayMs, frame },
  ];

  const dial = (restMs: number): Step => {
    if (!(restMs > 0)) {
      return [
        { name: "connecting", attempt },
        { type: "dial", attempt, frame },
      ];
    }
    // Waits already: otherwise a listener of `waiting` that dials would spin.
    if (isWaiting && state.isShortest) return [state];
    return wait(isWaiting ? state.reason : "backoff", restMs, true);
  };

  if (name === "closed") return [state];
  switch (event.type) {
    case "connect":
      if (isWaiting || name === "idle") return dial(floorMs);
      break;
    case "delayElapsed":
      if (isWaiting) return dial(0);
      break;
    case "restored":
      if (isWaiting) return dial(floorMs);
      break;
    case "reconnect":
      if (!isClosing) return dial(floorMs);
      break;
    case "wakeUp":
      if (!isWaiting || state.reason === "server" || state.reason === "suspended") break;
      return dial(floorMs);
    case "ready":
      if (name === "connecting") return [{ name: "open", attempt, isStable: false }, { type: "activate" }];
      break;
    case "stable":
      if (name === "open") return [{ name, attempt: 0, isStable: true }];
      break;
    case "disconnected": {
      const { info, plan, frame: lastFrame } = event;
      if (isClosing) return closed("local", info, info.clean);
      if (!isLive) break;
      if (!plan.retry) return closed(plan.by, info, info.clean, plan.error, lastFrame);
      return [
        { name: "waiting", attempt: attempt + 1, reason: plan.reason },
        { type: "wait", delayMs: plan.delayMs, frame: lastFrame },
      ];
    }
    case "moveRequested":
      if (name === "open") return dial(floorMs);
      break;
    case "unloaded":
      return closed("local", UNLOAD, false, undefined, UNLOAD);
    case "suspended":
      if (isLive || (isWaiting && state.reason !== "suspended")) return wait("suspended", FOREVER);
      if (isClosing) return closed("local", NO_FRAME, false);
      break;
    case "close":
      if (name === "open") return [{ name: "closing", frame: event.frame }, { type: "flush" }];
      if (!isClosing) return closed("local", event.frame, true, undefined, event.frame);
      break;
    case "flushed":
      if (isClosing) return [state, { type: "sendClose", frame: state.frame }];
      break;
    case "timedOut":
      if (isClosing) return closed("local", NO_FRAME, false);
      break;
    case "aborted":
      return closed("signal", NO_FRAME, false, event.error);
  }
  return [state];
}

function closed(
  by: ClosedBy,
  { code, reason }: CloseFrame,
  clean: boolean,
  error?: ConnError,
  frame?: CloseFrame,
): Step {
  return [{ name: "closed" }, { type: "finish", by, end: { code, reason }, clean, error, frame }];
}
