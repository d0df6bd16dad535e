import { renderToString } from "react-dom/server";
import { Prices } from "./react.tsx";

export const html = renderToString(<Prices />);
