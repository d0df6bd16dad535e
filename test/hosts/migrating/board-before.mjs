// A shared board on partysocket: the program before it is migrated.
import { WebSocket as ReconnectingWebSocket } from "partysocket";
import { WebSocket } from "ws";

/** Shares strokes and cursors with others in a room. `log` gets a line for everything that a user would see. */
export function openBoard(url, name, log) {
  const strokes = [];
  const cursors = new Map();
  const decoder = new TextDecoder();
  let room = "lobby";
  let drawn = 0;
  let isLeaving = false;
  /** A room is left for another one: the strokes of the old one go. */
  let isMoving = false;

  const socket = new ReconnectingWebSocket(() => `${url}/board/${room}?name=${encodeURIComponent(name)}`, undefined, {
    WebSocket,
    minReconnectionDelay: 250,
    maxReconnectionDelay: 500,
    connectionTimeout: 2_000,
    maxRetries: 20,
  });
  socket.binaryType = "arraybuffer";

  socket.onopen = () => {
    log(`in ${room}`);
    isMoving = false;
    socket.send(JSON.stringify({ type: "hello", since: strokes.length }));
  };

  socket.onclose = ({ code, reason }) => {
    cursors.clear();
    if (isLeaving) log("left");
    else if (!isMoving) log(`away: ${code}${reason && ` ${reason}`}`);
  };

  socket.onerror = ({ message }) => {
    if (message === "TIMEOUT") log("slow");
  };

  socket.onmessage = ({ data }) => {
    if (typeof data === "string") receive(JSON.parse(data));
    else receiveStroke(new Uint8Array(data));
  };

  function receive(message) {
    switch (message.type) {
      case "cursor":
        cursors.set(message.name, message.at);
        log(`${message.name} at ${message.at}`);
        break;
      case "left":
        cursors.delete(message.name);
        log(`${message.name} left`);
        break;
      case "clear":
        strokes.length = 0;
        log("cleared");
        break;
    }
  }

  /** A stroke is its author, a zero, and the points, each a byte. */
  function receiveStroke(bytes) {
    const end = bytes.indexOf(0);
    const author = decoder.decode(bytes.subarray(0, end));
    const points = [...bytes.subarray(end + 1)];
    strokes.push({ author, points });
    log(`${author} drew ${points.join("-")}`);
  }

  function encodeStroke(points) {
    const author = new TextEncoder().encode(name);
    const bytes = new Uint8Array(author.length + 1 + points.length);
    bytes.set(author);
    bytes.set(points, author.length + 1);
    return bytes;
  }

  return {
    strokes,
    cursors,
    get drawn() {
      return drawn;
    },
    draw(points) {
      drawn++;
      socket.send(encodeStroke(points));
    },
    point(at) {
      // A cursor that is late is of no use.
      if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ type: "cursor", at }));
    },
    move(next) {
      room = next;
      isMoving = true;
      strokes.length = 0;
      socket.reconnect();
    },
    leave() {
      isLeaving = true;
      socket.close(1000, "bye");
    },
  };
}
