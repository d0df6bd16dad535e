const MAX_LINES = 60;
/** Events of one kind that follow each other within this time are one line. */
const GROUP_MS = 1_500;

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** The events of the page, newest first. An event that comes to several connections at once is one line that names them. */
export class EventLog {
  #list;
  #countConns;
  #groups = new Map();

  /**
   * @param {HTMLOListElement} list
   * @param {() => number} countConns How many connections there are, so that a line can say that an event came to all.
   */
  constructor(list, countConns) {
    this.#list = list;
    this.#countConns = countConns;
  }

  /** Writes a line of its own. Events after it begin new groups, because it may be their cause. */
  tell(who, what) {
    this.#groups.clear();
    this.#line(who).append(what);
  }

  /**
   * Writes an event of a connection, in the line of the same event of others where there is one.
   *
   * @param {string} name The connection's name.
   * @param {string} kind Events of one kind share a line.
   * @param {unknown} value What this event adds to the line.
   * @param {(values: unknown[]) => string} inWords Puts all the values of a line into words.
   */
  tellOf(name, kind, value, inWords) {
    const now = performance.now();
    let group = this.#groups.get(kind);
    if (!group || now - group.at > GROUP_MS) {
      const item = this.#line("");
      group = { who: item.querySelector("b"), words: item.appendChild(new Text()), names: new Set(), values: [] };
      this.#groups.set(kind, group);
    }
    group.at = now;
    group.names.add(name);
    group.values.push(value);
    const { names, values, who, words } = group;
    const isAll = names.size > 2 && names.size === this.#countConns();
    who.textContent = isAll ? `All ${names.size}` : [...names].join(", ");
    words.data = inWords(values) + (values.length > names.size ? ` (${values.length} times)` : "");
  }

  #line(who) {
    const item = document.createElement("li");
    const time = Object.assign(document.createElement("time"), { textContent: clock.format(Date.now()) });
    item.append(time, " ", Object.assign(document.createElement("b"), { textContent: who }), " ");
    this.#list.prepend(item);
    while (this.#list.childElementCount > MAX_LINES) this.#list.lastElementChild.remove();
    return item;
  }
}
