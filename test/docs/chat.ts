import { Conn, type ConnOptions, json } from "tautline";

/** The application under test: it joins a room on each connection, and collects what is said there. */
export function chat(url: string, options: ConnOptions<string> = {}) {
  const lines: string[] = [];
  const conn = new Conn<string>(url, { setup: ({ send }) => send("join ropes"), ...options, codec: json<string>() });
  conn.on("message", (line) => lines.push(line));
  return { conn, lines, say: (text: string) => conn.send(text) };
}
