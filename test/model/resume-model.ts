import type { SessionLoss } from "../../src/core/session.ts";
import {
  beginDial,
  type ClientHandshake,
  type ClientHandshakeStep,
  createClientHandshake,
  deliveryOf,
  onActivated,
  onDisconnected,
  onMessage,
  onOpen,
} from "../../src/resume/client/client-handshake.ts";
import {
  type ControlFrame,
  type Counts,
  decode,
  encode,
  escaped,
  isControl,
  unescaped,
} from "../../src/resume/protocol/control.ts";
import {
  acknowledge,
  carryOver,
  count,
  type DeliveryState,
  noteAckSent,
  partDoubtful,
  type ResumePlan,
  retain,
  type SentMessage,
  splitLoss,
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
  /** Whether a middlebox has closed the channel, with a close frame of its own. */
  isUpCut: boolean;
  isDownCut: boolean;
  /** The final counts that came up, and down, on this very socket. */
  finalUp: Counts | undefined;
  finalDown: Counts | undefined;
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
  /** The messages that each application got, and those reported to it as in doubt. */
  got: { client: number[]; server: number[] };
  doubted: { client: number[]; server: number[] };
  /** The messages reported to each application as certainly not delivered. */
  unsent: { client: number[]; server: number[] };
  /** Whether the client's Conn has ended. */
  isOver: boolean;
  /** Closings of an end, and of a middlebox, so far. */
  closings: number;
  cuts: number;
  /** The last acknowledgement that the client has read on any socket: only a removed rule looks at it. */
  lastAck: Counts | undefined;
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
  /** How often either end closes with 1000, and a middlebox with any code. Default 0. */
  readonly closings?: number;
  readonly cuts?: number;
  /** Whether the client's messages are sent again where they are in doubt. */
  readonly resends?: boolean;
  /** Whether the server keeps no session whose client is away. */
  readonly keepsNone?: boolean;
}

/** A rule that is taken out, to see that it is needed. */
export type RemovedRule =
  | "the fence"
  | "the fence of the issuing socket"
  | "the exact count"
  | "retention"
  | "gen"
  | "the wait for H"
  | "issued sessions that outlive their socket"
  | "a frame of its own for the final counts"
  | "the socket of the final counts"
  | "doubt after an eviction"
  | "doubt that lasts";

/** A state that must never be. Thrown by an action. */
export class Violation extends Error {}

const WINDOW = 1_000;
/** Texts on the wire are `c1`, `c2`, … from the client and `s1`, … from the server. */
const item = (ordinal: number, resend?: boolean): SentMessage => ({ payload: undefined, ordinal, cost: 1, resend });
/** The close frame with 1000. Other codes are `close <code>`. */
const CLOSE = "close 1000";
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
    unsent: { client: [], server: [] },
    isOver: false,
    closings: 0,
    cuts: 0,
    lastAck: undefined,
    forgettings: 0,
    isBlank: false,
  };
}

/** Whether all was delivered and acknowledged, or truthfully reported. */
export function isComplete(model: ProtocolModel, bounds: Bounds): boolean {
  const { client, sessions, given, got, doubted, unsent, isOver } = model;
  if (!isOver && (given.client < bounds.client || given.server < bounds.server)) return false;
  if (deliveryOf(client)?.retained.length) return false;
  if (Object.values(sessions).some(({ delivery, outcome }) => !outcome && delivery.retained.length > 0)) return false;
  return (
    new Set([...got.server, ...doubted.client, ...unsent.client]).size === given.client &&
    new Set([...got.client, ...doubted.server, ...unsent.server]).size === given.server
  );
}

type Act = (world: ProtocolModel) => void;

/** Forgets what can make no difference any more: what a socket was that neither end has. */
export function tidy(model: ProtocolModel): void {
  for (const [index, socket] of model.sockets.entries()) {
    // A socket that the client has left, without a session and with nothing on its way, is as good as gone.
    if (index !== model.current && socket.bound === undefined && socket.up.length === 0) socket.isServed = false;
    if (!socket.isServed) socket.up.length = 0;
    if (socket.isServed || index === model.current) continue;
    socket.isAccepted = socket.isRefused = socket.isUpCut = socket.isDownCut = false;
    socket.finalUp = socket.finalDown = undefined;
    socket.bound = undefined;
    socket.issued = "";
  }
  const named = model.sockets.flatMap(({ issued, bound, up }) => [issued, bound, ...up.map(sidOf)]);
  for (const { sid, isAccepted } of Object.values(model.sessions)) {
    if (!isAccepted && model.client.session?.sid !== sid && !named.includes(sid)) delete model.sessions[sid];
  }
}

const frames = new Map<string, ControlFrame | undefined>();

/** Reads `text`. There are few texts here, and each is read often. */
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
  const { client, current, sockets, sessions, given, isOver } = now;
  const isLast = sockets.length === bounds.sockets;
  const isActive = client.phase === "active";
  const mayClose = now.closings < (bounds.closings ?? 0);
  const mayCut = now.cuts < (bounds.cuts ?? 0);
  if (current < 0 && !isLast && !isOver) all.push((model) => dial(model, without));
  const socket = sockets[current];
  // The last socket stays, because nothing would be left to complete with.
  if (socket && !isLast) all.push(dropByClient);
  if (socket && socket.down.length > 0) all.push((model) => clientReads(model, without));
  if (socket && mayCut && !socket.isDownCut) {
    all.push((model) => cutDown(model, 1000));
    if (!isLast) all.push((model) => cutDown(model, 4001));
  }
  const isWriting = isActive && !socket?.finalDown;
  if (isWriting && given.client < bounds.client) all.push((model) => clientSends(model, bounds));
  if (isWriting && owes(deliveryOf(client), socket?.up)) all.push(clientAcks);
  if (isWriting && mayClose) all.push(clientCloses);
  if (client.phase === "plain" && given.client < bounds.client) all.push(clientSendsPlain);
  for (const [index, { isAccepted, isServed, isUpCut, up, bound }] of sockets.entries()) {
    if (!isServed) continue;
    if (!isAccepted) all.push((model) => accept(model, index));
    if (isAccepted && up.length > 0) all.push((model) => serverReads(model, index, bounds, without));
    // Noticed late, or never. Messages that are still on their way are then lost.
    if (index !== current || !isLast) all.push((model) => loseAtServer(model, index, bounds, without));
    if (mayCut && !isUpCut && isAccepted && !isLast) {
      all.push((model) => cutUp(model, index, 1000));
      all.push((model) => cutUp(model, index, 4001));
    }
    const record = bound === undefined ? undefined : sessions[bound];
    if (!record) continue;
    if (given.server < bounds.server) all.push((model) => serverSends(model, index));
    if (owes(record.delivery, sockets[index]?.down)) all.push((model) => serverAcks(model, index));
    if (mayClose) all.push((model) => serverCloses(model, record.sid, index));
  }
  for (const { sid, isAccepted, outcome } of Object.values(sessions)) {
    if (!isAccepted || outcome) continue;
    // A session whose client has ended expires in the end.
    if (isOver) all.push((model) => forget(model, sid, true));
    if (mayClose && !sockets.some(({ isServed, bound }) => isServed && bound === sid)) {
      all.push((model) => serverCloses(model, sid, undefined));
    }
    if (now.forgettings === bounds.forgettings || isLast) continue;
    all.push((model) => forget(model, sid, true));
    all.push((model) => forget(model, sid, false));
  }
  return all;
}

/** Whether an acknowledgement would say something new; one that is on its way already is not overtaken by another. */
function owes(delivery: DeliveryState | undefined, channel: readonly string[] | undefined): boolean {
  return delivery !== undefined && delivery.received > delivery.ackSent && !isAck(channel?.at(-1));
}

function isAck(text: string | undefined): boolean {
  return text !== undefined && read(text)?.type === "a";
}

function dial(model: ProtocolModel, without: RemovedRule | undefined): void {
  beginDial(model.client, []);
  model.current = model.sockets.length;
  model.sockets.push({
    up: [],
    down: [],
    isServed: true,
    isAccepted: false,
    isUpCut: false,
    isDownCut: false,
    finalUp: undefined,
    finalDown: undefined,
    isRefused: false,
    issued: `s${model.sockets.length}`,
    bound: undefined,
  });
  onOpen(model.client, without !== "the wait for H");
}

function dropByClient(model: ProtocolModel): void {
  const socket = model.sockets[model.current] as Socket;
  onDisconnected(model.client);
  // An end that is gone reads nothing.
  socket.down.length = 0;
  socket.isDownCut = false;
  socket.finalDown = undefined;
  model.current = -1;
}

function clientReads(model: ProtocolModel, without: RemovedRule | undefined): void {
  const socket = model.sockets[model.current] as Socket;
  const text = socket.down.shift() as string;
  const { client } = model;
  if (isClose(text)) return clientReadsClose(model, socket, text);
  if (client.phase === "plain") return;
  if (client.phase !== "active") return follow(model, socket, onMessage(client, text), without);
  if (socket.finalDown && without !== "a frame of its own for the final counts")
    throw new Violation("the server goes on after its final counts");
  const delivery = deliveryOf(client) as DeliveryState;
  if (isControl(text)) {
    const counts = takeCounts(delivery, text, model.got.server);
    if (without === "the socket of the final counts") model.lastAck = counts;
    socket.finalDown = finalCounts(text, counts, without);
    return;
  }
  if (without === "a frame of its own for the final counts") socket.finalDown = undefined;
  receiveMessage(delivery, text);
  deliver(model.got.client, text, model.doubted.server, model.unsent.server);
}

/** The counts of a frame that ends the account of its sender; with a rule taken out an acknowledgement is one. */
function finalCounts(text: string, counts: Counts, without: RemovedRule | undefined): Counts | undefined {
  if (read(text)?.type === "f" || without === "a frame of its own for the final counts") return counts;
  return undefined;
}

/** A close frame came down: the peer's, or a middlebox's. */
function clientReadsClose(model: ProtocolModel, socket: Socket, text: string): void {
  const counts =
    socket.finalDown ??
    // Before the answer to the return nothing was stated on this socket.
    (model.client.phase !== "active" ? model.lastAck : undefined);
  if (text === CLOSE) endClient(model, counts);
  else dropByClient(model);
}

/** The Conn of the client ends, and says what became of its messages. */
function endClient(model: ProtocolModel, counts: Counts | undefined): void {
  const { client } = model;
  const delivery = deliveryOf(client);
  if (delivery) giveAccount(model, "client", splitLoss(delivery, counts));
  dropByClient(model);
  model.client = createClientHandshake(WINDOW);
  model.isOver = true;
  model.lastAck = undefined;
}

/** The account that an end gives of its messages must be true now, and stay true. */
function giveAccount(
  model: ProtocolModel,
  side: "client" | "server",
  loss: SessionLoss<SentMessage> | undefined,
): void {
  if (!loss) throw new Violation("final counts that can't be");
  const got = model.got[side === "client" ? "server" : "client"];
  const [certain, doubtful] = partDoubtful(loss.undelivered);
  for (const { ordinal } of certain)
    if (got.includes(ordinal)) throw new Violation(`${ordinal} is reported undelivered and was delivered`);
  addOnce(model.doubted[side], [...loss.inDoubt, ...doubtful]);
  addOnce(model.unsent[side], certain);
}

/** Adds the messages that are not in `list` yet: how often an account names one makes no difference. */
function addOnce(list: number[], messages: readonly SentMessage[]): void {
  for (const { ordinal } of messages) if (!list.includes(ordinal)) list.push(ordinal);
}

function follow(
  model: ProtocolModel,
  socket: Socket,
  step: ClientHandshakeStep,
  without: RemovedRule | undefined,
): void {
  const { client } = model;
  if (step.type === "ended") {
    acknowledge(deliveryOf(client) as DeliveryState, step.counts.n);
    socket.finalDown = { n: step.counts.n, rx: step.counts.rx };
  } else if (step.type === "reply") sendUp(socket, encode(step.frame));
  else if (step.type === "resumed") {
    const channel: string[] = [];
    resend(channel, "c", deliveryOf(client) as DeliveryState, step.plan, without);
    for (const text of channel) sendUp(socket, text);
  } else if (step.type === "started") {
    if (step.loss) report(model, step.loss);
    sendUp(socket, encode(step.frame));
    onActivated(client);
    const delivery = deliveryOf(client) as DeliveryState;
    for (const message of step.loss ? carryOver(step.loss, []) : []) {
      retain(delivery, without === "doubt that lasts" ? { ...message, isDoubtful: undefined } : message);
      sendUp(socket, `c${message.ordinal}`);
    }
  } else throw new Violation(`the client meets ${step.type}`);
}

/** The report of a lost session must be true. */
function report(model: ProtocolModel, { delivered, undelivered, inDoubt }: SessionLoss<SentMessage>): void {
  const { server } = model.got;
  for (const { ordinal: id } of delivered)
    if (!server.includes(id)) throw new Violation(`${id} is reported delivered and was not`);
  for (const { ordinal: id } of partDoubtful(undelivered)[0])
    if (server.includes(id)) throw new Violation(`${id} is reported undelivered and was`);
  if (inDoubt.length > 0 && !model.isBlank) throw new Violation("in doubt, though the server forgot nothing");
  addOnce(model.doubted.client, inDoubt);
}

function clientSends(model: ProtocolModel, { resends }: Bounds): void {
  const id = ++model.given.client;
  retain(deliveryOf(model.client) as DeliveryState, item(id, resends));
  sendUp(model.sockets[model.current] as Socket, `c${id}`);
}

/** Nothing passes a middlebox that has closed. */
function sendUp(socket: Socket, text: string): void {
  if (!socket.isUpCut) socket.up.push(text);
}

/** The client closes with 1000: final counts and close frame in one turn. It does not wait for what is on its way. */
function clientCloses(model: ProtocolModel): void {
  const socket = model.sockets[model.current] as Socket;
  const { received } = deliveryOf(model.client) as DeliveryState;
  model.closings++;
  sendUp(socket, encode({ type: "f", n: received, rx: received }));
  sendUp(socket, CLOSE);
  endClient(model, undefined);
}

/** The server closes a session with 1000, on its socket if it has one. */
function serverCloses(model: ProtocolModel, sid: string, index: number | undefined): void {
  const record = model.sessions[sid] as SessionRecord;
  const { received } = record.delivery;
  model.closings++;
  noteAckSent(record.delivery, received);
  if (index !== undefined) {
    sendDown(model, index, encode({ type: "f", n: received, rx: received }));
    sendDown(model, index, CLOSE);
  }
  endSession(model, record, "ended", undefined);
}

/** The Conn of a session ends, and says what became of its messages. Its record answers late returns. */
function endSession(
  model: ProtocolModel,
  record: SessionRecord,
  outcome: NonNullable<SessionRecord["outcome"]>,
  counts: Counts | undefined,
): void {
  giveAccount(model, "server", splitLoss(record.delivery, counts));
  noteAckSent(record.delivery, record.delivery.received);
  record.outcome = outcome;
  record.delivery.retained = [];
  for (const socket of model.sockets) {
    if (socket.bound !== record.sid) continue;
    socket.isServed = false;
    socket.up.length = 0;
  }
}

/** A middlebox closes in one direction. Messages that it had not passed on are lost. */
function cutDown(model: ProtocolModel, code: number): void {
  const socket = model.sockets[model.current] as Socket;
  model.cuts++;
  socket.down.splice(0, socket.down.length, `close ${code}`);
  socket.isDownCut = true;
}

function cutUp(model: ProtocolModel, index: number, code: number): void {
  const socket = model.sockets[index] as Socket;
  model.cuts++;
  socket.up.splice(0, socket.up.length, `close ${code}`);
  socket.isUpCut = true;
}

function isClose(text: string): boolean {
  return text.startsWith("close ");
}

function clientSendsPlain(model: ProtocolModel): void {
  sendUp(model.sockets[model.current] as Socket, `c${++model.given.client}`);
}

function clientAcks(model: ProtocolModel): void {
  const channel: string[] = [];
  sendAck(deliveryOf(model.client) as DeliveryState, channel);
  for (const text of channel) sendUp(model.sockets[model.current] as Socket, text);
}

function sendAck(delivery: DeliveryState, channel: string[]): void {
  noteAckSent(delivery, delivery.received);
  channel.push(encode({ type: "a", n: delivery.received }));
}

function accept(model: ProtocolModel, index: number): void {
  const socket = model.sockets[index] as Socket;
  const { issued } = socket;
  socket.isAccepted = true;
  const record = createSessionRecord({ sid: issued, secret: issued }, undefined, WINDOW);
  model.sessions[issued] = record;
  sendDown(
    model,
    index,
    encode(greetingFrame({ issued: record, principal: undefined, app: 0, protocol: "", isRefused: false }, 1_000)),
  );
}

/** A client that has left reads nothing, and nothing passes a middlebox that has closed. */
function sendDown(model: ProtocolModel, index: number, text: string): void {
  const socket = model.sockets[index] as Socket;
  if (index === model.current && !socket.isDownCut) socket.down.push(text);
}

function serverReads(model: ProtocolModel, index: number, bounds: Bounds, without: RemovedRule | undefined): void {
  const socket = model.sockets[index] as Socket;
  const text = socket.up.shift() as string;
  const record = socket.bound === undefined ? undefined : model.sessions[socket.bound];
  if (isClose(text)) {
    if (text === CLOSE && record) return endSession(model, record, "ended", socket.finalUp);
    return loseAtServer(model, index, bounds, without);
  }
  if (!record) return receive(model, index, text, without);
  if (socket.finalUp && without !== "a frame of its own for the final counts" && without !== "doubt after an eviction")
    throw new Violation("the client goes on after its final counts");
  if (isControl(text) && !isHandshake(text)) {
    const counts = takeCounts(record.delivery, text, model.got.client);
    socket.finalUp = without === "doubt after an eviction" ? counts : finalCounts(text, counts, without);
    return;
  }
  if (isControl(text)) throw new Violation("the server gets a session twice");
  if (without === "a frame of its own for the final counts" || without === "doubt after an eviction")
    socket.finalUp = undefined;
  receiveMessage(record.delivery, text);
  deliver(model.got.server, text, model.doubted.client, model.unsent.client, bounds.resends);
}

/** An end that keeps to its window is never taken for one that does not. */
function receiveMessage(delivery: DeliveryState, text: string): void {
  if (!count(delivery, text)) throw new Violation("a message beyond the window");
}

function isHandshake(text: string): boolean {
  const type = read(text)?.type;
  return type !== "a" && type !== "f";
}

function receive(model: ProtocolModel, index: number, text: string, without: RemovedRule | undefined): void {
  const socket = model.sockets[index] as Socket;
  const issued =
    model.sessions[socket.issued] ?? createSessionRecord({ sid: socket.issued, secret: "" }, undefined, WINDOW);
  const arrival = { issued, principal: undefined, app: 0, protocol: "", isRefused: socket.isRefused };
  const frame = read(text);
  const target = frame?.type === "R" ? model.sessions[frame.sid] : undefined;
  if (without === "gen" && target) target.generation = 0;
  const wasTaken = target?.isAccepted === true;
  const step = answerHandshake(arrival, text, { get: (sid) => model.sessions[sid], beforeResume() {} });
  socket.isRefused = arrival.isRefused;
  switch (step.type) {
    case "reply":
      return sendDown(model, index, encode(step.frame));
    case "accepted":
      socket.bound = step.session.sid;
      return;
    case "resumed": {
      const { sid, delivery } = step.session;
      const isSpared = without === "the fence" || (without === "the fence of the issuing socket" && !wasTaken);
      if (!isSpared) releaseElsewhere(model, sid, index);
      socket.bound = sid;
      delete model.sessions[socket.issued];
      sendDown(
        model,
        index,
        encode({ type: "A", rx: without === "the exact count" ? delivery.ackSent : delivery.received }),
      );
      const channel: string[] = [];
      resend(channel, "s", delivery, step.plan, without);
      for (const each of channel) sendDown(model, index, each);
      return;
    }
    case "refuse":
      socket.isServed = false;
      socket.up.length = 0;
      if (step.broken) throw new Violation("a count is out of range");
      return;
    case "ended":
      sendDown(model, index, encode(step.frame));
      sendDown(model, index, CLOSE);
      socket.isServed = false;
      socket.up.length = 0;
  }
}

function releaseElsewhere(model: ProtocolModel, sid: string, arriving: number): void {
  for (const [index, socket] of model.sockets.entries()) {
    if (index === arriving || (socket.bound !== sid && socket.issued !== sid)) continue;
    socket.isServed = false;
    socket.up.length = 0;
  }
}

function resend(
  channel: string[],
  side: string,
  delivery: DeliveryState,
  { resend: again }: ResumePlan,
  without: RemovedRule | undefined,
): void {
  // A message set aside as poison takes more returns than there are sockets here: the count would only part equal states.
  delivery.firstUnreceived = 0;
  // Acknowledgements on the last socket may not have arrived.
  if (delivery.received > 0) sendAck(delivery, channel);
  if (without === "retention") return;
  for (const { ordinal: id } of again) channel.push(`${side}${id}`);
}

function loseAtServer(model: ProtocolModel, index: number, bounds: Bounds, without: RemovedRule | undefined): void {
  const socket = model.sockets[index] as Socket;
  socket.isServed = false;
  socket.up.length = 0;
  const issued = model.sessions[socket.issued];
  if (without === "issued sessions that outlive their socket" && issued && !issued.isAccepted) {
    delete model.sessions[socket.issued];
  }
  const record = socket.bound === undefined ? undefined : model.sessions[socket.bound];
  if (!record || record.outcome || !bounds.keepsNone) return;
  endSession(model, record, "o", without === "doubt after an eviction" ? socket.finalUp : undefined);
}

function serverSends(model: ProtocolModel, index: number): void {
  const id = ++model.given.server;
  const { bound } = model.sockets[index] as Socket;
  retain(model.sessions[bound as string]?.delivery as DeliveryState, item(id));
  sendDown(model, index, `s${id}`);
}

function serverAcks(model: ProtocolModel, index: number): void {
  const { bound } = model.sockets[index] as Socket;
  const channel: string[] = [];
  sendAck(model.sessions[bound as string]?.delivery as DeliveryState, channel);
  for (const each of channel) sendDown(model, index, each);
}

function forget(model: ProtocolModel, sid: string, keepsCount: boolean): void {
  const record = model.sessions[sid] as SessionRecord;
  if (!model.isOver) model.forgettings++;
  endSession(model, record, "e", undefined);
  if (keepsCount) return;
  delete model.sessions[sid];
  model.isBlank = true;
}

/** Takes an acknowledgement or final counts, and checks that they are true. */
function takeCounts(delivery: DeliveryState, text: string, got: readonly number[]): Counts {
  const frame = read(text);
  const counts =
    frame?.type === "f" ? { n: frame.n, rx: frame.rx } : frame?.type === "a" ? { n: frame.n, rx: frame.n } : undefined;
  const done = counts && acknowledge(delivery, counts.n);
  if (!counts || !done) throw new Violation("an acknowledgement that can't be");
  for (const { ordinal } of done)
    if (!got.includes(ordinal)) throw new Violation(`${ordinal} is acknowledged and was not received`);
  // The start of the tail in memory makes no difference.
  delivery.retained.splice(0, delivery.start);
  delivery.start = 0;
  return counts;
}

/** An application gets messages in order and once; messages that it misses are in doubt. */
function deliver(
  got: number[],
  wire: string,
  doubted: readonly number[],
  unsent: readonly number[],
  resends = false,
): void {
  const id = idOf(unescaped(escaped(wire)) as string);
  const last = Math.max(0, ...got);
  // A message in doubt that is sent again may come twice, and late.
  if (resends && doubted.includes(id)) {
    if (!got.includes(id)) got.push(id);
    return;
  }
  if (got.includes(id)) throw new Violation(`${id} is delivered twice`);
  if (unsent.includes(id)) throw new Violation(`${id} is delivered and was reported undelivered`);
  if (id < last) throw new Violation(`${id} is delivered out of order`);
  for (let missed = last + 1; missed < id; missed++) {
    if (!doubted.includes(missed)) throw new Violation(`${missed} is lost`);
  }
  got.push(id);
}
