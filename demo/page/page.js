const { Conn, exponential, json } = globalThis.Tautline;

const MAX_EVENTS = 100;
const COUNT_EVERY_MS = 100;

const euros = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  signDisplay: "exceptZero",
});
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

const element = (id) => document.getElementById(id);
const now = () => clock.format(Date.now());
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

let countdown;
let conn = open();

// The connection.

function open() {
  const conn = new Conn("/websocket", { codec: json(), backoff: exponential({ maxMs: 5000 }) });
  conn.on("message", showProducts);
  conn.on("state", ({ to }) => {
    showState(to);
    if (to === "connecting") tell(to, "dialling");
    if (to === "closing") tell(to, "saying goodbye");
  });
  conn.on("open", ({ reconnected, downMs }) => {
    tell("open", reconnected ? `back after ${seconds(downMs)}` : "connected");
  });
  conn.on("lost", ({ code, reason, opened }) => tell(conn.state, `${opened ? "lost" : "failed"} ${code} ${reason}`));
  conn.on("waiting", ({ delayMs, reason }) => {
    // In the back/forward cache there is no time to count: the wait ends when the page is shown again.
    if (reason === "page") return record("waiting", "waiting (page)");
    record("waiting", `waiting ${seconds(delayMs)} (${reason})`);
    countDown(performance.now() + delayMs, reason);
  });
  conn.on("closed", ({ code, reason, by }) => tell("closed", `by ${by}: ${code} ${reason}`));
  conn.on("dropped", ({ why }) => tell(conn.state, `message dropped: ${why.code}`));
  conn.on("error", (error) => tell(conn.state, error.message));
  return conn;
}

function showState(state) {
  clearInterval(countdown);
  element("countdown").textContent = "";
  element("state").textContent = state;
  document.body.dataset.state = state;
  element("cut").textContent = { open: "Cut the connection", closed: "Open again" }[state] ?? "Connect now";
  element("close").disabled = state === "closing" || state === "closed";
}

function countDown(end, reason) {
  const show = () => {
    element("countdown").textContent = `next attempt in ${seconds(Math.max(0, end - performance.now()))} (${reason})`;
  };
  show();
  countdown = setInterval(show, COUNT_EVERY_MS);
}

function tell(state, what) {
  element("cause").textContent = what;
  record(state, what);
}

function record(state, what) {
  const events = element("events");
  events.prepend(row(cell("td", now()), cell("td", state, `mark ${state}`), cell("td", what)));
  while (events.rows.length > MAX_EVENTS) events.deleteRow(-1);
}

element("cut").addEventListener("click", () => {
  if (conn.state === "closed") conn = open();
  // Volatile: a cut that comes too late must not hit the next connection.
  else if (conn.state === "open") conn.send({ type: "cut", data: null }, { volatile: true });
  else conn.connect();
});
element("close").addEventListener("click", () => {
  conn.close();
  // A disabled button would keep the keyboard's focus to itself.
  element("cut").focus();
});

// The products.

function showProducts(products) {
  element("rows").replaceChildren(...products.map(productRow));
  element("updated").textContent = `Prices of ${now()}`;
}

function productRow({ name, price, change }, index) {
  const [trend, symbol] = change > 0 ? ["up", "▲"] : change < 0 ? ["down", "▼"] : ["level", "■"];
  const heading = cell("th", name);
  heading.scope = "row";
  const arrow = cell("span", symbol);
  arrow.ariaHidden = "true";
  const changed = cell("td", `${percent.format(change)} `, trend);
  changed.append(arrow);
  return row(cell("td", index + 1), heading, cell("td", euros.format(price)), changed);
}

// The notes.

element("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = element("note");
  send(input.value);
  input.value = "";
  input.focus();
});

async function send(text) {
  const fate = cell("span", "queued", "queued");
  const item = cell("li", text);
  item.append(fate);
  element("sent").prepend(item);
  try {
    await conn.send({ type: "note", data: text });
    fate.textContent = `sent ${now()}`;
    fate.className = "sent";
  } catch (error) {
    fate.textContent = `not sent: ${error.code}`;
    fate.className = "refused";
  }
}

function row(...cells) {
  const row = document.createElement("tr");
  row.append(...cells);
  return row;
}

function cell(tag, text, className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}
