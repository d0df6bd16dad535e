import { useStatus, useStore } from "tautline/react";
import { conn, total } from "./live.ts";

export function Prices() {
  const page = globalThis as { renders?: number };
  page.renders = (page.renders ?? 0) + 1;
  const sum = useStore(total);
  const { state } = useStatus(conn);
  return (
    <p>
      {sum} {state}
    </p>
  );
}
