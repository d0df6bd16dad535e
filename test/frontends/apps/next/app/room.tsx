"use client";

import { Conn, json } from "tautline";
import { useConn, useStatus } from "tautline/react";

const open = (address: string) => new Conn(address, { codec: json<number, string>() });

export function Room({ address }: { readonly address: string }) {
  const conn = useConn(address, open);
  return <p id="app">edit 0: {useStatus(conn).state}</p>;
}
