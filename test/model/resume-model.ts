import type { SessionLoss } from "../../src/core/session.ts";
import {
  type ClientHandshake,
  type ClientHandshakeStep,
  createClientHandshake,
  onActivated,
  onDisconnected,
  onMessage,
  onOpen,
  prepareOffer,
} from "../../src/resume/client/client-handshake.ts";
import { type ControlFrame, decode, encode, escaped, isControl, unescaped } from "../../src/resume/protocol/control.ts";
import {
  acknowledge,
  type DeliveryState,
  type ResumePlan,
  retain,
  type SentMessage,
} from "../../src/resume/protocol/delivery-state.ts";
import {
  answerHandshake,
  createSessionRecord,
  greetingFrame,
  type SessionRecord,
} from "../../src/resume/server/server-handshake.ts";

/** One socket: two channels in order, each end of which may be gone without the other's knowing. */
interface Socket {
  readonly up: string[];
  readonly down: string[];
  /** Whether the server still reads and writes it. */
  isServed: boolean;
  isAccepted: boolean;
  isRefused: boolean;
  /** The session issued on it, and the one that it carries. */
  issued: string;
  bound: string | undefined;
}

/** Everything there is, as plain data. */
export interface ProtocolModel {
  client: ClientHandshake;
  /** The client's socket, by index; -1 for none. */
  current: number;
  sockets: Socket[];
  sessions: Record<string, SessionRecord>;
  /** Messages that each application has given to its end so far. */
  given: { client: number; server: number };
  /** What each application got, and what it was told to be in doubt. */
  got: { client: number[]; server: number[] };
  doubted: { client: number[]; server: number[] };
  forgettings: number;
  /** Whether memory was lost so thoroughly that no count is left. */
  isBlank: boolean;
}

export interface Bounds {
  /** Messages that each application sends. */
  readonly client: number;
  readonly server: number;
  readonly sockets: number;
  readonly forgettings: number;
}

/** A rule that is taken out, to see that it is needed. */
export type RemovedRule =
  | "the fence"
  | "the fence of the issuing socket"
  | "the exact count"
  | "retention"
  | "gen"
  | "the wait for H"
  | "issued sessions that outlive their socket";

/** What must never be: thrown by an action. */
export class Violation extends Error {}

const WINDOW = 1_000;
/** Texts on the wire are `c1`, `c2`, … from the client and `s1`, … from the server. */
const item = (ordinal: number): SentMessage => ({ payload: undefined, ordinal, cost: 1 });
const idOf = (text: string) => Number(text.slice(1));

export function createModel(): ProtocolModel {
  return {
    client: createClientHandshake(WINDOW),
    current: -1,
    sockets: [],
    sessions: {},
    given: { client: 0, server: 0 },
    got: { client: [], server: [] },
    doubted: { client: [], server: [] },
    forgettings: 0,
    isBlank: false,
  };
}

/** Whether all was delivered and acknowledged, or truthfully told. */
export function isComplete({ client, sessions, given, got, doubted }: ProtocolModel, bounds: Bounds): boolean {
  if (given.client < bounds.client || given.server < bounds.server) return false;
  if (client.session?.flow.retained.length || client.carriedOver.length > 0) return false;
  if (Object.values(sessions).some(({ delivery, outcome }) => !outcome && delivery.retained.length > 0)) return false;
  return (
    new Set([...got.server, ...doubted.client]).size === bounds.client &&
    new Set([...got.client, ...doubted.server]).size === bounds.server
  );
}

type Act = (world: ProtocolModel) => void;

/** Forgets what can make no difference any more: what a socket was that neither end has. */
export function tidy(w: ProtocolModel): void {
  for (const [index, socket] of w.sockets.entries()) {
    // A socket that the client has left, without a session and with nothing on its way, is as good as gone.
    if (index !== w.current && socket.bound === undefined && socket.up.length === 0) socket.isServed = false;
    if (!socket.isServed) socket.up.length = 0;
    if (socket.isServed || index === w.current) continue;
    socket.isAccepted = socket.isRefused = false;
    socket.bound = undefined;
    socket.issued = "";
  }
  const named = w.sockets.flatMap(({ issued, bound, up }) => [issued, bound, ...up.map(sidOf)]);
  for (const { sid, isAccepted } of Object.values(w.sessions)) {
    if (!isAccepted && w.client.session?.sid !== sid && !named.includes(sid)) delete w.sessions[sid];
  }
}

const frames = new Map<string, ControlFrame | undefined>();

/** What `text` says. There are few texts here, and each is read often. */
function read(text: string): ControlFrame | undefined {
  if (!frames.has(text)) frames.set(text, decode(text));
  return frames.get(text);
}

/** The session that a frame names. */
function sidOf(text: string): string | undefined {
  const frame = read(text);
  return frame?.type === "R" ? frame.sid : undefined;
}

/** All that can happen next. */
export function actions(now: ProtocolModel, bounds: Bounds, without?: RemovedRule): Act[] {
  const all: Act[] = [];
  const { client, current, sockets, sessions, given } = now;
  const isLast = sockets.length === bounds.sockets;
  if (current < 0 && !isLast) all.push((w) => dial(w, without));
  const socket = sockets[current];
  // The last socket stays, or there would be nothing left to complete with.
  if (socket && !isLast) all.push(drop);
  if (socket && socket.down.length > 0) all.push((w) => hear(w, without));
  if (client.phase === "active" && given.client < bounds.client) all.push(clientSends);
  if (client.phase === "active" && owes(client.session?.flow, socket?.up)) all.push(clientAcks);
  if (client.phase === "unsupported" && given.client < bounds.client) all.push(clientSendsPlain);
  for (const [index, { isAccepted, isServed, up, bound }] of sockets.entries()) {
    if (!isServed) continue;
    if (!isAccepted) all.push((w) => accept(w, index));
    if (isAccepted && up.length > 0) all.push((w) => serve(w, index, without));
    // Noticed late, or never. What is still on its way is then lost.
    if (index !== current || !isLast) all.push((w) => lose(w, index, without));
    const record = bound === undefined ? undefined : sessions[bound];
    if (!record) continue;
    if (given.server < bounds.server) all.push((w) => serverSends(w, index));
    if (owes(record.delivery, sockets[index]?.down)) all.push((w) => serverAcks(w, index));
  }
  if (now.forgettings < bounds.forgettings && !isLast) {
    for (const { sid, isAccepted: isTaken, outcome } of Object.values(sessions)) {
      if (!isTaken || outcome) continue;
      all.push((w) => forget(w, sid, true));
      all.push((w) => forget(w, sid, false));
    }
  }
  return all;
}

/** Whether an acknowledgement would say something new; one that is on its way already is not overtaken by another. */
function owes(flow: DeliveryState | undefined, channel: readonly string[] | undefined): boolean {
  return flow !== undefined && flow.received > flow.ackSent && !isAck(channel?.at(-1));
}

function isAck(text: string | undefined): boolean {
  return text !== undefined && read(text)?.type === "a";
}

function dial(w: ProtocolModel, without: RemovedRule | undefined): void {
  prepareOffer(w.client);
  w.current = w.sockets.length;
  w.sockets.push({
    up: [],
    down: [],
    isServed: true,
    isAccepted: false,
    isRefused: false,
    issued: `s${w.sockets.length}`,
    bound: undefined,
  });
  onOpen(w.client, without !== "the wait for H");
}

function drop(w: ProtocolModel): void {
  const socket = w.sockets[w.current] as Socket;
  onDisconnected(w.client);
  // An end that is gone hears nothing.
  socket.down.length = 0;
  w.current = -1;
}

function hear(w: ProtocolModel, without: RemovedRule | undefined): void {
  const socket = w.sockets[w.current] as Socket;
  const text = socket.down.shift() as string;
  const { client } = w;
  if (client.phase === "unsupported") return;
  if (client.phase !== "active") return follow(w, socket, onMessage(client, text), without);
  const flow = client.session?.flow as DeliveryState;
  if (isControl(text)) return takeAck(flow, text, w.got.server);
  flow.received++;
  deliver(w.got.client, text, w.doubted.server);
}

function follow(w: ProtocolModel, socket: Socket, step: ClientHandshakeStep, without: RemovedRule | undefined): void {
  const { client } = w;
  if (step.type === "reply") socket.up.push(encode(step.frame));
  else if (step.type === "resumed") resend(socket.up, "c", client.session?.flow as DeliveryState, step.back, without);
  else if (step.type === "started") {
    if (step.remains) report(w, step.remains);
    socket.up.push(encode(step.frame));
    onActivated(client);
    const flow = client.session?.flow as DeliveryState;
    for (const message of client.carriedOver.splice(0)) {
      retain(flow, message);
      socket.up.push(`c${message.ordinal}`);
    }
  } else throw new Violation(`the client meets ${step.type}`);
}

/** What the client is told of a lost session must be true. */
function report(w: ProtocolModel, { delivered, undelivered, inDoubt }: SessionLoss<SentMessage>): void {
  const { server } = w.got;
  for (const { ordinal: id } of delivered)
    if (!server.includes(id)) throw new Violation(`${id} is told delivered and was not`);
  for (const { ordinal: id } of undelivered)
    if (server.includes(id)) throw new Violation(`${id} is told undelivered and was`);
  if (inDoubt.length > 0 && !w.isBlank) throw new Violation("in doubt, though the server forgot nothing");
  w.doubted.client.push(...inDoubt.map(({ ordinal }) => ordinal));
}

function clientSends(w: ProtocolModel): void {
  const id = ++w.given.client;
  retain(w.client.session?.flow as DeliveryState, item(id));
  w.sockets[w.current]?.up.push(`c${id}`);
}

function clientSendsPlain(w: ProtocolModel): void {
  w.sockets[w.current]?.up.push(`c${++w.given.client}`);
}

function clientAcks(w: ProtocolModel): void {
  state(w.client.session?.flow as DeliveryState, (w.sockets[w.current] as Socket).up);
}

function state(flow: DeliveryState, channel: string[]): void {
  flow.ackSent = flow.received;
  channel.push(encode({ type: "a", n: flow.received }));
}

function accept(w: ProtocolModel, index: number): void {
  const socket = w.sockets[index] as Socket;
  const { issued } = socket;
  socket.isAccepted = true;
  const record = createSessionRecord({ sid: issued, secret: issued }, undefined);
  w.sessions[issued] = record;
  say(
    w,
    index,
    encode(greetingFrame({ issued: record, principal: undefined, window: WINDOW, isRefused: false }, 1_000)),
  );
}

/** Who has left hears nothing. */
function say(w: ProtocolModel, index: number, text: string): void {
  if (index === w.current) w.sockets[index]?.down.push(text);
}

function serve(w: ProtocolModel, index: number, without: RemovedRule | undefined): void {
  const socket = w.sockets[index] as Socket;
  const text = socket.up.shift() as string;
  const record = socket.bound === undefined ? undefined : w.sessions[socket.bound];
  if (!record) return receive(w, index, text, without);
  if (isControl(text) && !isHandshake(text)) return takeAck(record.delivery, text, w.got.client);
  if (isControl(text)) throw new Violation("the server is told of a session twice");
  record.delivery.received++;
  deliver(w.got.server, text, w.doubted.client);
}

function isHandshake(text: string): boolean {
  return read(text)?.type !== "a";
}

function receive(w: ProtocolModel, index: number, text: string, without: RemovedRule | undefined): void {
  const socket = w.sockets[index] as Socket;
  const issued = w.sessions[socket.issued] ?? createSessionRecord({ sid: socket.issued, secret: "" }, undefined);
  const arrival = { issued, principal: undefined, window: WINDOW, isRefused: socket.isRefused };
  const frame = read(text);
  const target = frame?.type === "R" ? w.sessions[frame.sid] : undefined;
  if (without === "gen" && target) target.generation = 0;
  const wasTaken = target?.isAccepted === true;
  const step = answerHandshake(arrival, text, { get: (sid) => w.sessions[sid], beforeResume() {} });
  socket.isRefused = arrival.isRefused;
  switch (step.type) {
    case "reply":
      return say(w, index, encode(step.frame));
    case "accepted":
      socket.bound = step.session.sid;
      return;
    case "resumed": {
      const { sid, delivery } = step.session;
      const isSpared = without === "the fence" || (without === "the fence of the issuing socket" && !wasTaken);
      if (!isSpared) fence(w, sid, index);
      socket.bound = sid;
      delete w.sessions[socket.issued];
      say(w, index, encode({ type: "A", rx: without === "the exact count" ? delivery.ackSent : delivery.received }));
      const channel: string[] = [];
      resend(channel, "s", delivery, step.plan, without);
      for (const each of channel) say(w, index, each);
      return;
    }
    case "refuse":
      socket.isServed = false;
      socket.up.length = 0;
      if (step.broken) throw new Violation("a count is out of range");
      return;
    case "ended":
      throw new Violation("nobody said goodbye");
  }
}

function fence(w: ProtocolModel, sid: string, arriving: number): void {
  for (const [index, socket] of w.sockets.entries()) {
    if (index === arriving || (socket.bound !== sid && socket.issued !== sid)) continue;
    socket.isServed = false;
    socket.up.length = 0;
  }
}

function resend(
  channel: string[],
  side: string,
  flow: DeliveryState,
  { resend: again }: ResumePlan,
  without: RemovedRule | undefined,
): void {
  // A message set aside as poison takes more returns than there are sockets here: the count would only part equal states.
  flow.firstUnreceived = flow.redeliveries = 0;
  // What was acknowledged on the last socket may not have arrived.
  if (flow.received > 0) state(flow, channel);
  if (without === "retention") return;
  for (const { ordinal: id } of again) channel.push(`${side}${id}`);
}

function lose(w: ProtocolModel, index: number, without: RemovedRule | undefined): void {
  const socket = w.sockets[index] as Socket;
  socket.isServed = false;
  socket.up.length = 0;
  const issued = w.sessions[socket.issued];
  if (without === "issued sessions that outlive their socket" && issued && !issued.isAccepted) {
    delete w.sessions[socket.issued];
  }
}

function serverSends(w: ProtocolModel, index: number): void {
  const id = ++w.given.server;
  const { bound } = w.sockets[index] as Socket;
  retain(w.sessions[bound as string]?.delivery as DeliveryState, item(id));
  say(w, index, `s${id}`);
}

function serverAcks(w: ProtocolModel, index: number): void {
  const { bound } = w.sockets[index] as Socket;
  const channel: string[] = [];
  state(w.sessions[bound as string]?.delivery as DeliveryState, channel);
  for (const each of channel) say(w, index, each);
}

function forget(w: ProtocolModel, sid: string, keepsCount: boolean): void {
  const record = w.sessions[sid] as SessionRecord;
  w.forgettings++;
  w.doubted.server.push(...record.delivery.retained.map((kept) => (kept as SentMessage).ordinal));
  if (keepsCount) {
    record.outcome = "e";
    record.delivery.retained = [];
  } else {
    delete w.sessions[sid];
    w.isBlank = true;
  }
  for (const socket of w.sockets) {
    if (socket.bound !== sid) continue;
    socket.isServed = false;
    socket.up.length = 0;
  }
}

function takeAck(flow: DeliveryState, text: string, got: readonly number[]): void {
  const frame = read(text);
  const done = frame?.type === "a" && acknowledge(flow, frame.n);
  if (!done) throw new Violation("an acknowledgement that can't be");
  for (const { ordinal: id } of done)
    if (!got.includes(id)) throw new Violation(`${id} is acknowledged and was not received`);
  // Where the tail begins in memory makes no difference.
  flow.retained.splice(0, flow.start);
  flow.start = 0;
}

/** What an application gets is in order and once; what it misses was told to be in doubt. */
function deliver(got: number[], wire: string, doubted: readonly number[]): void {
  const id = idOf(unescaped(escaped(wire)) as string);
  const last = got.at(-1) ?? 0;
  if (got.includes(id)) throw new Violation(`${id} is delivered twice`);
  if (id < last) throw new Violation(`${id} is delivered out of order`);
  for (let missed = last + 1; missed < id; missed++) {
    if (!doubted.includes(missed)) throw new Violation(`${missed} is lost`);
  }
  got.push(id);
}
