import { createElement } from "react";
import { Conn, type ConnOptions, json } from "tautline";
import { useConn, useMessage, useStatus } from "tautline/react";

/** The component under test: it shows each price, and what its connection is doing. */
export function PriceTag({ symbol, options, onPrice }: PriceTagProps) {
  const conn = useConn(symbol, (name) => new Conn(`wss://example.com/${name}`, { ...options, codec: json<number>() }));
  useMessage(conn, onPrice);
  return createElement("p", null, `${symbol}: ${useStatus(conn).state}`);
}

interface PriceTagProps {
  readonly symbol: string;
  readonly options?: ConnOptions<number>;
  readonly onPrice: (price: number) => void;
}
