import { createComputed, createRoot, from } from "solid-js";
import { connection, total } from "./live.ts";
import { show } from "./show.ts";

createRoot(() => {
  const sum = from(total);
  const now = from(connection);
  createComputed(() => show(`${sum()} ${now()?.state}`));
});
