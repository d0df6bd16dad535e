import { hydrateRoot } from "react-dom/client";
import { total } from "./live.ts";
import { Prices } from "./react.tsx";

// The page takes over the server's HTML when messages have come already.
const off = total.onChange(() => {
  off();
  hydrateRoot(document.querySelector("#app") as Element, <Prices />, {
    onRecoverableError: (error) => console.error("hydration:", error),
  });
});
