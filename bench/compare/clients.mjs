// Each client as its README shows it, with `ws` where it needs a class, behind three calls. They send, end, and say whether
// the client is connected.
import { Centrifuge } from "centrifuge";
import { WebSocket as PartyReconnecting } from "partysocket";
import ReconnectingWebSocket from "reconnecting-websocket";
import { io } from "socket.io-client";
import Sockette from "sockette";
import { ArrayQueue, ConstantBackoff, WebsocketBuilder } from "websocket-ts";
import { WebSocket } from "ws";
import { Conn } from "../../dist/node/index.mjs";
import { resume } from "../../dist/node/resume.mjs";

globalThis.WebSocket = WebSocket;

/**
 * @typedef {object} Client
 * @property {(text: string) => unknown} send
 * @property {() => boolean} isOpen
 * @property {() => unknown} close
 */

/** @type {readonly { readonly name: string, readonly speaks: "ws" | "socket.io" | "centrifuge", readonly open: (url: string) => Client }[]} */
export const clients = [
  {
    name: "tautline",
    speaks: "ws",
    open(url) {
      const conn = new Conn(url);
      return { send: (text) => conn.send(text), isOpen: () => conn.state === "open", close: () => conn.close() };
    },
  },
  {
    name: "tautline, resume",
    speaks: "ws",
    open(url) {
      const conn = new Conn(url, { resume: resume() });
      return { send: (text) => conn.send(text), isOpen: () => conn.state === "open", close: () => conn.close() };
    },
  },
  {
    name: "reconnecting-websocket",
    speaks: "ws",
    open(url) {
      const socket = new ReconnectingWebSocket(url, [], { WebSocket });
      return like(socket);
    },
  },
  {
    name: "partysocket",
    speaks: "ws",
    open(url) {
      const socket = new PartyReconnecting(url, [], { WebSocket });
      return like(socket);
    },
  },
  {
    name: "sockette",
    speaks: "ws",
    open(url) {
      let isOpen = false;
      const socket = new Sockette(url, {
        onopen: () => {
          isOpen = true;
        },
        onclose: () => {
          isOpen = false;
        },
      });
      return { send: (text) => socket.send(text), isOpen: () => isOpen, close: () => socket.close() };
    },
  },
  {
    name: "websocket-ts",
    speaks: "ws",
    open(url) {
      const socket = new WebsocketBuilder(url)
        .withBuffer(new ArrayQueue())
        .withBackoff(new ConstantBackoff(1000))
        .build();
      return like(socket);
    },
  },
  {
    name: "socket.io-client",
    speaks: "socket.io",
    open(url) {
      const socket = io(url.replace(/^ws/, "http"), { transports: ["websocket"], forceNew: true });
      return {
        send: (text) => socket.emit("message", text),
        isOpen: () => socket.connected,
        close: () => socket.close(),
      };
    },
  },
  {
    name: "centrifuge",
    speaks: "centrifuge",
    open(url) {
      const socket = new Centrifuge(url, { websocket: WebSocket });
      socket.on("error", () => {});
      socket.connect();
      return {
        send: (text) => socket.send(text),
        isOpen: () => socket.state === "connected",
        close: () => socket.disconnect(),
      };
    },
  },
];

/**
 * @param {{ send(text: string): unknown, close(): unknown, readonly readyState: number }} socket
 * @returns {Client}
 */
function like(socket) {
  return { send: (text) => socket.send(text), isOpen: () => socket.readyState === 1, close: () => socket.close() };
}
