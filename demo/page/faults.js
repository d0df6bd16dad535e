import { seconds } from "./lane.js";

const FINE = "The line is fine: 40 ms each way.";
const element = (id) => document.getElementById(id);

/** The buttons that break the line under all connections, and what each of them says that it does. */
export class Faults {
  #tell;
  #fault = "";
  #healAt = 0;

  /** @param {(what: string) => void} tell Called with each fault that was caused. */
  constructor(tell) {
    this.#tell = tell;
    const says = element("fault-says");
    const asked = says.textContent;
    for (const button of document.querySelectorAll("#faults button")) {
      const say = () => {
        says.textContent = element(button.getAttribute("aria-describedby")).textContent;
        says.dataset.of = button.id || button.dataset.fault;
      };
      const fallSilent = () => {
        says.textContent = asked;
        delete says.dataset.of;
      };
      for (const event of ["pointerenter", "focus", "click"]) button.addEventListener(event, say);
      for (const event of ["pointerleave", "blur"]) button.addEventListener(event, fallSilent);
      const { fault } = button.dataset;
      if (fault) button.addEventListener("click", () => this.cause(fault, button.textContent));
    }
    element("heal").addEventListener("click", () => {
      this.cause("heal", "Heal");
      // A button that goes would take the keyboard's focus with it.
      document.querySelector("[data-fault]").focus();
    });
  }

  show() {
    const leftMs = Math.max(0, this.#healAt - performance.now());
    element("fault-text").textContent = leftMs > 0 ? `${this.#fault}: heals in ${seconds(leftMs)}` : FINE;
    element("heal").hidden = leftMs === 0;
  }

  /** Past the line: over plain HTTP, which the faults don't touch. */
  async cause(fault, label) {
    this.#tell(label.toLowerCase());
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("/faults", { method: "POST", headers, body: JSON.stringify({ fault }) });
      const { lastsMs = 0 } = await response.json();
      if (fault === "heal") this.#healAt = 0;
      if (lastsMs === 0) return;
      this.#fault = label;
      this.#healAt = performance.now() + lastsMs;
    } catch {
      this.#tell("the server itself is away");
    }
  }
}
