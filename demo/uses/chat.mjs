// @ts-check
import { Codec, json } from "tautline";

/**
 * @typedef {{ type: "join", room: string, name: string } | { type: "say", id: number, text: string } | { type: "typing" }} Up
 * @typedef {{ id: number, name: string, text: string, at: number, mine: boolean }} Said
 * @typedef {{ type: "room", room: string, history: Said[] } | { type: "people", names: string[] } |
 *   { type: "said", said: Said } | { type: "typing", name: string }} Down
 * @typedef {import("tautline/server").ServerConn<Up, Down>} ChatConn
 * @typedef {{ id: number, author: string, name: string, text: string, at: number }} Line
 * @typedef {{ lines: Line[], people: Map<ChatConn, string> }} Room
 */

const MAX_ROOMS = 50;
const MAX_LINES = 100;
const MAX_NAME = 24;
const MAX_TEXT = 500;

/** @type {Codec<Up, Down>} */
export const chatCodec = new Codec({
  marshal: (down) => JSON.stringify(down),
  unmarshal: (payload) => checked(json().unmarshal(payload)),
});

/** Rooms that outlive the connections of those who are in them. */
export class Chat {
  /** @type {Map<string, Room>} */
  #rooms = new Map();

  /**
   * @param {ChatConn} conn
   * @param {string} author Who sends: the same after a reconnection.
   */
  async serve(conn, author) {
    /** @type {Room | undefined} */
    let room;
    conn.on("state", () => room && tellPeople(room));
    conn.on("closed", () => room && this.#leave(room, conn));
    for await (const up of conn) {
      if (up.type === "join") {
        if (room) this.#leave(room, conn);
        room = this.#join(up, conn, author);
      } else if (!room) {
        throw new Error("nobody can speak who is in no room");
      } else if (up.type === "typing") {
        const name = room.people.get(conn) ?? "";
        // Volatile: nobody wants to know later who was typing.
        for (const other of room.people.keys())
          other !== conn && other.send({ type: "typing", name }, { volatile: true });
      } else if (!room.lines.some((line) => line.author === author && line.id === up.id)) {
        // A message that is sent again, because its session was lost, bears the same number.
        this.#say(room, { ...up, author, name: room.people.get(conn) ?? "", at: Date.now() });
      }
    }
  }

  /**
   * @param {Up & { type: "join" }} up
   * @param {ChatConn} conn
   * @param {string} author
   */
  #join({ room: asked, name }, conn, author) {
    if (!this.#rooms.has(asked)) this.#makeRoom();
    /** @type {Room} */
    const room = this.#rooms.get(asked) ?? { lines: [], people: new Map() };
    this.#rooms.set(asked, room);
    room.people.set(conn, name);
    conn.send({ type: "room", room: asked, history: room.lines.map((line) => seenBy(author, line)) });
    authors.set(conn, author);
    tellPeople(room);
    return room;
  }

  /** Forgets an empty room where there are too many. */
  #makeRoom() {
    if (this.#rooms.size < MAX_ROOMS) return;
    for (const [name, { people }] of this.#rooms) {
      if (people.size === 0) return this.#rooms.delete(name);
    }
    throw new Error(`there are ${MAX_ROOMS} rooms, and somebody in each`);
  }

  /**
   * @param {Room} room
   * @param {ChatConn} conn
   */
  #leave(room, conn) {
    room.people.delete(conn);
    tellPeople(room);
  }

  /**
   * @param {Room} room
   * @param {Line} line
   */
  #say(room, line) {
    room.lines.push(line);
    if (room.lines.length > MAX_LINES) room.lines.shift();
    for (const conn of room.people.keys()) tell(conn, { type: "said", said: seenBy(authors.get(conn), line) });
  }
}

/** @type {WeakMap<ChatConn, string>} */
const authors = new WeakMap();

/** @param {Room} room */
function tellPeople(room) {
  const here = [...room.people].filter(([conn]) => conn.state === "open");
  const names = here.map(([, name]) => name);
  // The key: to who is away, only the latest list matters.
  for (const conn of room.people.keys()) tell(conn, { type: "people", names }, { key: "people" });
}

/**
 * @param {ChatConn} conn
 * @param {Down} down
 * @param {import("tautline").SendOptions} [options]
 */
function tell(conn, down, options) {
  if (conn.state !== "closing" && conn.state !== "closed") conn.send(down, options);
}

/**
 * @param {string | undefined} reader
 * @param {Line} line
 * @returns {Said}
 */
function seenBy(reader, { author, ...line }) {
  return { ...line, mine: author === reader };
}

/**
 * @param {unknown} message
 * @returns {Up}
 */
function checked(message) {
  const { type, room, name, id, text } = Object(message);
  if (type === "join") return { type, room: words(room, MAX_NAME), name: words(name, MAX_NAME) };
  if (type === "say" && Number.isSafeInteger(id)) return { type, id, text: words(text, MAX_TEXT) };
  if (type === "typing") return { type };
  throw new TypeError("expected join, say or typing");
}

/**
 * One line of text, without what could turn the reading direction of its neighbours.
 *
 * @param {unknown} value
 * @param {number} max
 */
function words(value, max) {
  const text = typeof value === "string" ? value.replace(/[\p{Cc}\p{Bidi_Control}\p{Cs}]/gu, " ").trim() : "";
  if (text === "" || text.length > max) throw new TypeError(`expected 1 to ${max} characters`);
  return text;
}
