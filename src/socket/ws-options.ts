import { validateHeaderName, validateHeaderValue } from "node:http";
import { badOption, failOption } from "../base/errors.ts";
import type { SocketOptions, Target } from "./socket.ts";

/** Options of `ws` that a Conn sets itself, or that `ws` ignores here, and the way to set each. */
type ReservedOptions = Readonly<Record<string, string>>;

const ADDRESS = "give it in the URL";
const CHECKED_HERE = "leave it out: text is checked in any case";

const CLIENT_RESERVED: ReservedOptions = {
  headers: "use the headers option",
  origin: "use the origin option",
  maxPayload: "use maxPayloadBytes",
  closeTimeout: "use closeTimeoutMs",
  timeout: "use connectTimeoutMs",
  skipUTF8Validation: CHECKED_HERE,
  protocols: "use the protocols option",
  protocol: ADDRESS,
  host: ADDRESS,
  hostname: ADDRESS,
  port: ADDRESS,
  path: ADDRESS,
  socketPath: "use createConnection",
  method: "leave it out: an upgrade is a GET",
};

/** The same for the server of `ws`. */
const SERVER_RESERVED: ReservedOptions = {
  maxPayload: "use maxPayloadBytes",
  closeTimeout: "use closeTimeoutMs",
  handleProtocols: "use the protocols option",
  skipUTF8Validation: CHECKED_HERE,
  clientTracking: "use the conns of the handler",
  noServer: "leave it out",
  server: "use handle(server, path, handler)",
  path: "use handle(server, path, handler)",
  port: "use handle(server, path, handler)",
  host: "use handle(server, path, handler)",
  backlog: "use server.listen()",
};

/** Headers of the upgrade that `ws` sets itself, in lower case. */
const RESERVED_HEADERS: ReservedOptions = {
  origin: "use the origin option",
  connection: "leave it out",
  upgrade: "leave it out",
  "sec-websocket-key": "leave it out",
  "sec-websocket-version": "use clientOptions.protocolVersion",
  "sec-websocket-protocol": "use the protocols option",
  "sec-websocket-extensions": "use clientOptions.perMessageDeflate",
};

/** The longest message that `ws` can bound, because it takes its limit as a signed integer of 32 bits. */
const MAX_PAYLOAD_BYTES = 2 ** 31 - 1;

/** Returns what `ws` takes for `maxPayloadBytes`: from 1 on, because zero would mean no limit there. */
export function toMaxPayload(maxPayloadBytes: number): number {
  return Math.min(Math.max(1, Math.floor(maxPayloadBytes)), MAX_PAYLOAD_BYTES);
}

/** Refuses options of `ws` that would change nothing, or break what the Conn sets. @throws {@link ConnError} `bad-option` */
export function checkServerOptions(options: object | undefined): void {
  checkReserved("serverOptions.", SERVER_RESERVED, options);
}

/**
 * Refuses the options of a client that `ws` can't honour. The value of a header may be secret, and is not quoted.
 *
 * @throws {@link ConnError} `bad-option`
 */
export function checkClientOptions({ headers, origin, clientOptions }: Partial<SocketOptions & Target>): void {
  checkReserved("clientOptions.", CLIENT_RESERVED, clientOptions);
  if (typeof headers === "function") return;
  if (headers && Symbol.iterator in headers) {
    throw badOption("headers", "an object of names and values, or a function", headers);
  }
  if (origin !== undefined) checkHeader("origin", "origin", origin);
  for (const [name, value] of Object.entries(headers ?? {})) {
    checkReserved("headers.", RESERVED_HEADERS, { [name.toLowerCase()]: value });
    checkHeader("headers", name, value);
  }
}

function checkHeader(option: string, name: string, value: string): void {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch {
    const range = "must be what HTTP can carry (RFC 9110, section 5)";
    throw failOption(`${option} ${range}; got a header ${JSON.stringify(name)} that is not.`);
  }
}

function checkReserved(group: string, reserved: ReservedOptions, options: object = {}): void {
  for (const [name, value] of Object.entries(options)) {
    const instead = Object.hasOwn(reserved, name) && reserved[name];
    if (instead && value !== undefined) throw failOption(`${group}${name} is set by tautline: ${instead}.`);
  }
}
