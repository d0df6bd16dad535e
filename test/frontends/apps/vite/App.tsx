import { Conn, json } from "tautline";
import { useConn, useStatus, useStore } from "tautline/react";
import { total, version } from "./prices.ts";

const open = (room: string) => new Conn(`/live?${room}`, { codec: json<number, string>() });

export function App() {
  const conn = useConn("room", open);
  const { state } = useStatus(conn);
  return (
    <p>
      edit 0: {state}, {version}: {useStore(total) > 0 ? "prices" : "none"}
    </p>
  );
}
