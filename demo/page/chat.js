import { channels } from "/package/channels.mjs";
import { json } from "/package/index.mjs";
import { rpc } from "/package/rpc.mjs";

const MAX_LINES = 200;
const TYPING_MS = 2_000;
/** Longer than any fault of the demo, so that what is said while the server is away is said once it is back. */
const SAY_WITHIN_MS = 120_000;
const FAREWELL_MS = 2_000;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export function startChat(context) {
  const windows = document.querySelector("#chat .windows");
  windows.replaceChildren(chatWindow(context, "Ada", 1), chatWindow(context, "Grace", 2));
}

function chatWindow({ connect, clientId, signal }, firstName, number) {
  const root = document.getElementById("chat-window").content.firstElementChild.cloneNode(true);
  const [who, say] = root.querySelectorAll("form");
  const [log, list, here, typing] = [".scroll", "ol", ".here", ".typing"].map((part) => root.querySelector(part));
  const suffix = `-${number}`;
  const me = clientId(suffix);
  root.ariaLabel = `Chat window ${number}`;
  log.ariaLabel = `Messages in chat window ${number}`;
  root.querySelector(".notice").dataset.conn = `Chat ${number}`;
  root.querySelector(".on-node").dataset.nodeOf = `Chat ${number}`;
  who.elements.name.value = firstName;
  who.elements.room.value = "harbour";

  /** Messages that were sent and have not come back from the room. */
  const pending = new Map();
  let lastId = 0;
  let lastTyped = 0;
  let quiet;
  let line = dial(firstName);
  let subscriptions = enter("harbour");

  /** The server gives each line the name that its connection came with, so another name is another connection. */
  function dial(name) {
    const conn = connect(`Chat ${number}`, "/chat", { suffix, query: { name }, codec: json() });
    const peer = rpc(conn);
    return { conn, peer, name, live: channels(peer) };
  }

  /** Follows a room: from its last lines on, and after a break from where it was. */
  function enter(room) {
    const said = line.live.subscribe(`chat:${room}`, { from: { last: MAX_LINES }, presence: true });
    said.on("message", ({ data }) => {
      if (data.author === me) settle(data.id);
      const before = [...pending.values()].find((item) => item.parentNode === list) ?? null;
      list.insertBefore(item(data, data.author === me), before);
      typing.textContent = "";
      scroll();
    });
    said.on("members", () => {
      here.textContent = inRoom(said.members, me);
    });
    said.on("gap", ({ after }) => {
      // The first subscribe has no lines before it that could be missing.
      if (after === null) return;
      move(room);
      remark("The server does not have the earlier lines any more.");
    });
    said.on("closed", ({ error }) => {
      if (error && line.conn.state !== "closed") remark(`This room can't be entered: ${error.message}`);
    });
    const typed = line.live.subscribe(`typing:${room}`);
    typed.on("message", ({ data }) => {
      if (data.author === me) return;
      typing.textContent = `${data.name} is typing …`;
      clearTimeout(quiet);
      quiet = setTimeout(() => typing.replaceChildren(), TYPING_MS);
    });
    const end = () => {
      said.close();
      typed.close();
    };
    return { room, end };
  }

  function settle(id) {
    pending.get(id)?.remove();
    pending.delete(id);
  }

  function scroll() {
    while (list.childElementCount > MAX_LINES) list.firstElementChild.remove();
    log.scrollTop = log.scrollHeight;
  }

  function remark(text) {
    list.prepend(Object.assign(document.createElement("li"), { className: "remark", textContent: text }));
    scroll();
  }

  async function send(text) {
    const id = ++lastId;
    const sent = item({ name: line.name, text, at: Date.now() }, true);
    sent.classList.add("pending");
    pending.set(id, sent);
    list.append(sent);
    scroll();
    try {
      // Again on the next connection if the answer is lost: the room knows the number, and takes it once.
      const said = { room: subscriptions.room, id, text };
      await line.peer.call("say", said, { retry: true, timeoutMs: SAY_WITHIN_MS });
    } catch (error) {
      sent.append(` (${error.code})`);
    }
  }

  function change() {
    if (!who.reportValidity()) return;
    const { name, room } = who.elements;
    const isRenamed = name.value !== line.name;
    if (!isRenamed && room.value === subscriptions.room) return;
    if (isRenamed) {
      subscriptions.end();
      const { conn } = line;
      // A line that was said under the old name may still be on its way.
      setTimeout(() => conn.close(), FAREWELL_MS);
      line = dial(name.value);
    }
    move(room.value);
  }

  /** Shows a room as the server has it now: another one, or the same one after a gap. */
  function move(room) {
    subscriptions.end();
    list.replaceChildren(...pending.values());
    here.textContent = "";
    subscriptions = enter(room);
  }

  who.addEventListener("submit", (event) => event.preventDefault(), { signal });
  who.addEventListener("change", change, { signal });
  say.addEventListener(
    "input",
    () => {
      if (performance.now() - lastTyped < TYPING_MS / 2) return;
      lastTyped = performance.now();
      line.peer.notify("typing", { room: subscriptions.room }, { volatile: true }).catch(() => {});
    },
    { signal },
  );
  say.addEventListener(
    "submit",
    (event) => {
      event.preventDefault();
      const { text } = say.elements;
      if (text.value.trim() !== "") send(text.value.trim());
      text.value = "";
    },
    { signal },
  );
  return root;
}

/** The members of a room by their names, and which of them this window is. */
function inRoom(members, me) {
  const others = new Map();
  for (const [id, { name }] of members) if (id !== me) others.set(name, (others.get(name) ?? 0) + 1);
  const named = [...others].sort().map(([name, count]) => (count > 1 ? `${name} in ${count} windows` : name));
  const all = members.has(me) ? [`${members.get(me).name} (you)`, ...named] : named;
  return all.length > 0 ? `In this room: ${all.join(", ")}` : "Nobody is here yet";
}

function item({ name, text, at }, isMine) {
  const element = document.createElement("li");
  element.className = isMine ? "mine" : "";
  const author = Object.assign(document.createElement("b"), { textContent: name });
  const time = Object.assign(document.createElement("time"), { textContent: clock.format(at) });
  const words = Object.assign(document.createElement("span"), { textContent: text });
  element.append(author, time, words);
  return element;
}
