import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Prices } from "./react.tsx";

createRoot(document.querySelector("#app") as Element).render(
  <StrictMode>
    <Prices />
  </StrictMode>,
);
