const { json } = globalThis.Tautline;

const MAX_LINES = 200;
const TYPING_MS = 2_000;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export function startChat(context) {
  const windows = document.querySelector("#chat .windows");
  windows.replaceChildren(chatWindow(context, "Ada", 1), chatWindow(context, "Grace", 2));
}

function chatWindow({ connect, isResuming, signal }, firstName, number) {
  const root = document.getElementById("chat-window").content.firstElementChild.cloneNode(true);
  const [who, say] = root.querySelectorAll("form");
  const [log, list, here, typing] = [".scroll", "ol", ".here", ".typing"].map((part) => root.querySelector(part));
  root.ariaLabel = `Chat window ${number}`;
  log.ariaLabel = `Messages in chat window ${number}`;
  root.querySelector(".notice").dataset.conn = `Chat ${number}`;
  who.elements.name.value = firstName;
  who.elements.room.value = "harbour";

  /** Messages that were sent and have not come back from the room. */
  const pending = new Map();
  let lastId = 0;
  let lastTyped = 0;
  let quiet;

  const login = () => ({ type: "join", room: who.elements.room.value, name: who.elements.name.value });
  let joined = login();

  const conn = connect(`Chat ${number}`, "/chat", {
    suffix: `-${number}`,
    codec: json(),
    // On each fresh session, before anything that waits: a resumed one is still in its room.
    setup: ({ send }) => send(joined),
  });

  conn.on("message", (message) => {
    if (message.type === "room") {
      list.replaceChildren(...message.history.map(line), ...pending.values());
      for (const said of message.history) if (said.mine) settle(said.id);
    } else if (message.type === "said") {
      if (message.said.mine) settle(message.said.id);
      const before = [...pending.values()].find((item) => item.parentNode === list) ?? null;
      list.insertBefore(line(message.said), before);
      typing.textContent = "";
    } else if (message.type === "people") {
      here.textContent = inRoom(message.names);
    } else if (message.type === "typing") {
      typing.textContent = `${message.name} is typing …`;
      clearTimeout(quiet);
      quiet = setTimeout(() => typing.replaceChildren(), TYPING_MS);
    }
    while (list.childElementCount > MAX_LINES) list.firstElementChild.remove();
    log.scrollTop = log.scrollHeight;
  });

  function settle(id) {
    pending.get(id)?.remove();
    pending.delete(id);
  }

  async function send(text) {
    const id = ++lastId;
    const item = line({ name: joined.name, text, at: Date.now(), mine: true });
    item.classList.add("pending");
    pending.set(id, item);
    list.append(item);
    log.scrollTop = log.scrollHeight;
    try {
      // Again in the next session if this one is lost in doubt: the room knows the number, and takes it once.
      await conn.send({ type: "say", id, text }, { resend: true, confirm: isResuming });
    } catch (error) {
      item.append(` (${error.code})`);
    }
  }

  who.addEventListener("submit", (event) => event.preventDefault(), { signal });
  who.addEventListener(
    "change",
    () => {
      if (!who.reportValidity()) return;
      joined = login();
      conn.send(joined, { key: "join" });
    },
    { signal },
  );
  say.addEventListener(
    "input",
    () => {
      if (performance.now() - lastTyped < TYPING_MS / 2) return;
      lastTyped = performance.now();
      conn.send({ type: "typing" }, { volatile: true });
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

/** Those in the room by name: a name that several windows have is not several people, as far as anybody knows. */
function inRoom(names) {
  const windows = new Map();
  for (const name of names) windows.set(name, (windows.get(name) ?? 0) + 1);
  const all = [...windows].map(([name, count]) => (count > 1 ? `${name} in ${count} windows` : name));
  return all.length > 0 ? `In this room: ${all.join(", ")}` : "Nobody is here yet";
}

function line({ name, text, at, mine }) {
  const item = document.createElement("li");
  item.className = mine ? "mine" : "";
  const author = Object.assign(document.createElement("b"), { textContent: name });
  const time = Object.assign(document.createElement("time"), { textContent: clock.format(at) });
  const words = Object.assign(document.createElement("span"), { textContent: text });
  item.append(author, time, words);
  return item;
}
