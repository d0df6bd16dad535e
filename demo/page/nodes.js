const LOOK_EVERY_MS = 500;
/** The words of the page that are different where several processes serve it. */
const WORDS = {
  "compare-title": "Numbered messages, there and back by a channel",
  "says-flood":
    "Sends 3,000 numbers to a channel within 3 s, and counts them as they come back. Break the line or kill a node meanwhile: each arrives once, with resume and without.",
  "says-restart":
    "Stops the WebSocket servers of all nodes, with all their sessions, for about a second. The page sees 1006 or 1001. Chat and meter go on from the log, and the other panes begin anew.",
  "system-of": "twice a second",
};

const element = (id) => document.getElementById(id);

/** The nodes behind the page, which of them each pane is on, and the buttons that end them. */
export class Nodes {
  #isOpen;
  #cause;
  #page = "";
  #rows = new Map();

  /** Resolves with the nodes, or undefined where one process serves all. */
  static async find(inspector) {
    const nodes = await look("");
    return nodes.length > 0 ? new Nodes(nodes, inspector) : undefined;
  }

  constructor(nodes, inspector) {
    this.#isOpen = (pane) => inspector.isOpen(pane);
    this.#cause = (fault, label) => inspector.cause(fault, label);
    for (const { number } of nodes) this.#rows.set(number, this.#addRow(number));
    for (const [id, words] of Object.entries(WORDS)) element(id).textContent = words;
    element("roll").addEventListener("click", () => this.#cause("roll", "Roll all nodes"));
    element("nodes").hidden = false;
    setInterval(() => this.#update(), LOOK_EVERY_MS);
  }

  /** Shows the panes of these connections from now on. */
  follow(page) {
    this.#page = page;
  }

  #addRow(number) {
    const row = element("node-rows").insertRow();
    const heading = Object.assign(document.createElement("th"), { scope: "row", textContent: `Node ${number}` });
    row.append(heading);
    const words = row.insertCell();
    const button = document.createElement("button");
    Object.assign(button, { textContent: "Kill this node", ariaLabel: `Kill this node: ${number}` });
    button.type = "button";
    button.addEventListener("click", () => this.#cause(`kill-${number}`, `kill node ${number}`));
    row.insertCell().append(button);
    return { row, words };
  }

  async #update() {
    try {
      this.#show(await look(this.#page));
    } catch {
      // The page's own server is away, and the panes say so.
    }
  }

  #show(nodes) {
    const nodeOf = new Map();
    for (const { number, pid, isReady, panes } of nodes) {
      const open = panes.filter((pane) => this.#isOpen(pane));
      for (const pane of open) nodeOf.set(pane, number);
      const { row, words } = this.#rows.get(number);
      const here = open.length > 0 ? open.sort().join(", ") : "no pane of this page";
      const text = isReady ? `${here} (process ${pid})` : "away, and started again at once";
      row.dataset.state = isReady ? "ready" : "away";
      if (words.textContent !== text) words.textContent = text;
    }
    for (const label of document.querySelectorAll("[data-node-of]")) {
      const number = nodeOf.get(label.dataset.nodeOf);
      const text = number === undefined ? "" : `on node ${number}`;
      if (label.textContent !== text) label.textContent = text;
      label.hidden = text === "";
    }
  }
}

/** Asks past the line, over plain HTTP. */
async function look(page) {
  const response = await fetch(`/nodes?${new URLSearchParams({ page })}`);
  return (await response.json()).nodes;
}
