/** Shows what a framework rendered, and counts how often it did. */
export function show(text: string): void {
  const page = globalThis as { renders?: number };
  page.renders = (page.renders ?? 0) + 1;
  const output = document.querySelector("#app");
  if (output) output.textContent = text;
}
