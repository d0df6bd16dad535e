import { Conn, json } from "tautline";
import { store } from "tautline/store";

export const version = "edit 0";

// Also a module that others import is run anew, and no Conn of the one before may be left.
import.meta.hot?.data.prices?.close();
export const prices = new Conn("/live?prices", { codec: json<number, string>() });
if (import.meta.hot) import.meta.hot.data.prices = prices;

export const total = store(prices, 0, (sum, price) => sum + price);
