import { useStatus } from "tautline/react";

/** A server component that uses a hook by mistake. */
export default function Wrong() {
  return <p>{useStatus(null).state}</p>;
}
