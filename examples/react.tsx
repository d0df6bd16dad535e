// A room in React 18 and later. Bundle it for a page that has <div id="root"></div>, beside the server of chat.mjs.
import { type FormEvent, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { Conn, json } from "tautline";
import { useConn, useStatus, useStore } from "tautline/react";
import { resume } from "tautline/resume";
import { store } from "tautline/store";

type Line = { text: string };
type Chat = Conn<Line, Line>;

const connect = (path: string): Chat => new Conn(path, { codec: json<Line, Line>(), resume: resume() });

function Room({ conn }: { conn: Chat }) {
  const lines = useStore(
    useMemo(() => store(conn, [] as readonly Line[], (now, line) => [...now, line].slice(-100)), [conn]),
  );
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
  const conn = useConn("/chat", connect);
  return conn ? <Room conn={conn} /> : null;
}

createRoot(document.getElementById("root") as HTMLElement).render(<App />);
