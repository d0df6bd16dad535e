// A room in React 18 and later, beside the server of this folder: npm install && npm start
import { type FormEvent, useState } from "react";
import { createRoot } from "react-dom/client";
import { Conn, json } from "tautline";
import { channels } from "tautline/channels";
import { useConn, useStatus, useStore } from "tautline/react";
import { rpc } from "tautline/rpc";
import { store } from "tautline/store";

type Line = { text: string };
type ServerApi = { say(params: { id: string; text: string }): void };

/** A Conn, and the lines of the room, which go on where they were after each break. `useConn()` closes it. */
function connect(path: string) {
  const conn = new Conn(path, { codec: json<unknown, unknown>() });
  const peer = rpc<ServerApi>(conn);
  const room = channels(peer).subscribe<Line>("chat", { from: { last: 100 } });
  const lines = store(room, [] as readonly Line[], (now, { data }) => [...now, data].slice(-100));
  return { conn, peer, lines, close: () => conn.close() };
}

function Room({ conn, peer, lines: all }: ReturnType<typeof connect>) {
  const lines = useStore(all);
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    peer.call("say", { id: crypto.randomUUID(), text }, { retry: true }).catch(({ message }) => alert(message));
    setText("");
  };
  return (
    <main>
      <output>{useStatus(conn).state}</output>
      <form onSubmit={submit}>
        <input aria-label="Message" value={text} onChange={({ target }) => setText(target.value)} />
        <button type="submit">Send</button>
      </form>
      <ul>
        {lines.map((line, index) => (
          <li key={`${index} ${line.text}`}>{line.text}</li>
        ))}
      </ul>
    </main>
  );
}

function App() {
  const room = useConn("/chat", connect);
  return room ? <Room {...room} /> : null;
}
createRoot(document.getElementById("root") as HTMLElement).render(<App />);
