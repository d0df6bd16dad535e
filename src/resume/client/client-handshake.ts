import type { Payload } from "../../base/payload.ts";
import type { SessionLoss } from "../../core/session.ts";
import { type ControlFrame, type Counts, decode, type GreetingFrame, isControl } from "../protocol/control.ts";
import {
  createDeliveryState,
  type DeliveryState,
  planResume,
  type ResumePlan,
  type SentMessage,
  setWindow,
  splitLoss,
} from "../protocol/delivery-state.ts";
import { withResume } from "../protocol/subprotocol.ts";
import { createSupport, hasSpoken, learn, makesOffer, type Support, type SupportEvent } from "./support.ts";

/**
 * The phase of a socket. `away`: there is none. `greeting`: H is awaited. `resuming`: the answer to R is awaited.
 * `starting`: a fresh session is in setup. `active`: a session is in use. `plain`: the connection is used without resume.
 */
type Phase = "away" | "greeting" | "resuming" | "starting" | "active" | "plain";

interface ClientSessionState {
  readonly sid: string;
  readonly secret: string;
  /** The number of resumptions that were tried. */
  gen: number;
  readonly delivery: DeliveryState;
}

/** The state that a client keeps from socket to socket. Plain data. */
export interface ClientHandshake {
  phase: Phase;
  support: Support;
  /** The window that this end grants, which limits what it sends too. */
  readonly window: number;
  /** The application's protocols in the last offer, and the one that is spoken; `""` for none. */
  protocols: readonly string[];
  protocol: string;
  session: ClientSessionState | undefined;
  /** The H of this socket. */
  greeting: GreetingFrame | undefined;
}

/** The consequence of a message, or an event, of the handshake. */
export type ClientHandshakeStep =
  | { readonly type: "reply"; readonly frame: ControlFrame }
  | { readonly type: "started"; readonly frame: ControlFrame; readonly loss: SessionLoss<SentMessage> | undefined }
  | { readonly type: "resumed"; readonly plan: ResumePlan }
  /** The server had ended the session with 1000, and states its final counts. */
  | { readonly type: "ended"; readonly counts: Counts }
  /** There is no resume on this connection: the message is the application's. */
  | { readonly type: "plain"; readonly loss: SessionLoss<SentMessage> | undefined }
  /** Another dial at once learns more. */
  | { readonly type: "again" }
  /** The attempt has failed; another one follows after the usual wait. */
  | { readonly type: "failed" }
  | { readonly type: "protocolError" };

const PROTOCOL_ERROR = { type: "protocolError" } as const;

/** Creates the handshake of a Conn that has no session yet. */
export function createClientHandshake(window: number): ClientHandshake {
  return {
    phase: "away",
    support: createSupport("unknown"),
    window,
    protocols: [],
    protocol: "",
    session: undefined,
    greeting: undefined,
  };
}

/** Begins a dial with the application's `protocols`. Returns what to offer. */
export function beginDial(handshake: ClientHandshake, protocols: readonly string[]): readonly string[] {
  handshake.protocols = protocols;
  return makesOffer(handshake.support) ? withResume(protocols) : protocols;
}

/** Learns from what a dial shows. Gives up the session where the outcome is a connection without resume. */
export function onSupportEvent(handshake: ClientHandshake, event: SupportEvent): ClientHandshakeStep {
  const [support, outcome] = learn(handshake.support, event);
  handshake.support = support;
  handshake.phase = "away";
  if (outcome !== "plain") return { type: outcome };
  const { session } = handshake;
  handshake.phase = "plain";
  handshake.session = undefined;
  return { type: "plain", loss: session && splitLoss(session.delivery) };
}

/**
 * Continues when the socket is open, and the server has selected the name of resume or not. Returns `undefined` while the
 * server's H is awaited.
 */
export function onOpen(handshake: ClientHandshake, isSelected: boolean): ClientHandshakeStep | undefined {
  if (!isSelected || !makesOffer(handshake.support)) return onSupportEvent(handshake, "opened");
  handshake.phase = "greeting";
  return undefined;
}

/** Handles a message that comes before the session is in use. */
export function onMessage(handshake: ClientHandshake, payload: Payload): ClientHandshakeStep {
  const frame = decode(payload);
  if (handshake.phase === "greeting") {
    if (frame?.type === "H" && takeProtocol(handshake, frame)) return onGreeting(handshake, frame);
    // Control, a malformed H with its secret included, never reaches the application.
    const isPlain = !isControl(payload) && !hasSpoken(handshake.support.name);
    return onSupportEvent(handshake, isPlain ? "opened" : "silent");
  }
  const { session, greeting } = handshake;
  if (handshake.phase !== "resuming" || !session || !greeting || !frame) return PROTOCOL_ERROR;
  if (frame.type === "A") {
    const plan = planResume(session.delivery, frame.rx);
    if (!plan) return PROTOCOL_ERROR;
    setWindow(session.delivery, greeting.win);
    handshake.phase = "active";
    return { type: "resumed", plan };
  }
  if (frame.type === "X") {
    const loss = splitLoss(session.delivery, frame);
    return loss ? startSession(handshake, greeting, loss) : PROTOCOL_ERROR;
  }
  if (frame.type !== "f") return PROTOCOL_ERROR;
  handshake.phase = "active";
  return { type: "ended", counts: frame };
}

/** Returns the state of the session, if there is one. */
export function deliveryOf({ session }: ClientHandshake): DeliveryState | undefined {
  return session?.delivery;
}

/** Called when setup is over and the session is in use. */
export function onActivated(handshake: ClientHandshake): void {
  if (handshake.phase === "starting") handshake.phase = "active";
}

/** Called when the socket has ended, or was left. */
export function onDisconnected(handshake: ClientHandshake): void {
  // A session that was cut off in setup is lost, because another setup can't continue it.
  if (handshake.phase === "starting") handshake.session = undefined;
  handshake.greeting = undefined;
  handshake.phase = "away";
}

/** Takes the protocol that H names. Returns false where H names none of the offered ones. */
function takeProtocol(handshake: ClientHandshake, { app }: GreetingFrame): boolean {
  const { protocols } = handshake;
  const protocol = app === 0 && protocols.length === 0 ? "" : protocols[app - 1];
  handshake.protocol = protocol ?? "";
  return protocol !== undefined;
}

function onGreeting(handshake: ClientHandshake, frame: GreetingFrame): ClientHandshakeStep {
  const { session, window } = handshake;
  handshake.support = createSupport("confirmed");
  handshake.greeting = frame;
  if (!session) return startSession(handshake, frame, undefined);
  session.gen++;
  handshake.phase = "resuming";
  const { sid, secret, gen, delivery } = session;
  return { type: "reply", frame: { type: "R", sid, secret, gen, rx: delivery.received, win: window } };
}

/** Takes the session that H offers in place of any earlier one: all counts begin anew. */
function startSession(
  handshake: ClientHandshake,
  { sid, secret, win }: GreetingFrame,
  loss: SessionLoss<SentMessage> | undefined,
): ClientHandshakeStep {
  const { window } = handshake;
  const delivery = createDeliveryState(window);
  setWindow(delivery, win);
  handshake.session = { sid, secret, gen: 0, delivery };
  handshake.phase = "starting";
  return { type: "started", frame: { type: "N", win: window }, loss };
}
