// A room in React 18 and later. Bundle it for a page that has <div id="root"></div>, beside the server of chat.mjs.
import { type FormEvent, useState } from "react";
import { createRoot } from "react-dom/client";
import { Conn, json } from "tautline";
import { useConn, useStatus, useStore } from "tautline/react";
import { resume } from "tautline/resume";
import { store } from "tautline/store";

type Line = { text: string };

/** A Conn, with the lines that it brings. `useConn()` closes it. */
function connect(path: string) {
  const conn = new Conn(path, { codec: json<Line, Line>(), resume: resume() });
  const lines = store(conn, [] as readonly Line[], (now, line) => [...now, line].slice(-100));
  return { conn, lines, close: () => conn.close() };
}

function Room({ conn, lines: all }: ReturnType<typeof connect>) {
  const lines = useStore(all);
  const { state } = useStatus(conn);
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    conn.send({ text });
    setText("");
  };
  return (
    <main>
      <output>{state}</output>
      <form onSubmit={submit}>
        <input value={text} onChange={({ target }) => setText(target.value)} />
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
