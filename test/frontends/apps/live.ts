import { Conn, json } from "tautline";
import { status, store } from "tautline/store";

// A function, because a server that renders the page has no address to resolve "/live" against; nor does it dial.
export const conn = new Conn(() => "/live", {
  codec: json<number, string>(),
  autoConnect: typeof document !== "undefined",
});
export const total = store(conn, 0, (sum, price) => sum + price);
export const connection = status(conn);
