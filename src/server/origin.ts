import type { IncomingMessage } from "node:http";
import { badOption } from "../base/errors.ts";

/**
 * Origins that may connect besides the server's own: a list, such as `["https://example.com", "null"]`, or a function
 * that decides on every origin. An upgrade without an `Origin` header comes from no browser and is always allowed.
 */
export type Origins = readonly string[] | ((origin: string, request: IncomingMessage) => boolean);

/** Whether the page behind an upgrade may connect. */
export type AllowOrigin = (origin: string, request: IncomingMessage) => boolean;

const ANY = "() => true allows any origin, with the cookies of any user";
const RANGE = `a list of origins such as "https://example.com", or a function; ${ANY}`;

/**
 * Makes the check of the `Origin` header (RFC 6455, section 10.2). Browsers let any page connect to any server, cookies
 * included, so that this header is the server's only means to tell pages apart.
 *
 * @throws {@link ConnError} `bad-option` for an entry that no `Origin` header can be
 */
export function createOriginCheck(origins: Origins): AllowOrigin {
  if (typeof origins === "function") return (origin, request) => origins(origin, request) === true;
  if (!Array.isArray(origins)) throw badOption("origins", RANGE, origins);
  const allowed = new Set(origins.map(parseEntry));
  return (origin, { headers: { host } }) => {
    const normal = normalise(origin) ?? origin;
    return allowed.has(normal) || (host !== undefined && isSameHost(normal, host));
  };
}

/** Normalises an entry of the list. Pages name their origin without a path, in lower case and in ASCII (RFC 6454). */
function parseEntry(entry: unknown): string {
  if (entry === "null") return entry;
  const normal = typeof entry === "string" && !entry.includes("*") ? normalise(entry) : undefined;
  if (normal !== undefined) return normal;
  if (entry === "*") throw badOption("Each of origins", `an origin; instead of the list, ${ANY}`, entry);
  const nearest =
    typeof entry === "string" && URL.canParse(entry) ? `such as ${new URL(entry).origin}` : "or the word null";
  throw badOption("Each of origins", `an origin without a path, ${nearest}`, entry);
}

/** Returns the origin as a browser sends it, or `undefined` for a text that is no origin. */
function normalise(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, username, password, pathname, search, hash, origin } = new URL(text);
  if (username || password || search || hash || (pathname !== "/" && pathname !== "")) return undefined;
  // Only special schemes have an origin of their own in the URL standard; browsers send the others as they are.
  return origin === "null" ? `${protocol}//${host}` : origin;
}

/** Whether a page of this origin was served under the name by which the request came, over HTTP or HTTPS. */
function isSameHost(origin: string, host: string): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  if (!scheme || !URL.canParse(scheme + host)) return false;
  return new URL(scheme + host).host === origin.slice(scheme.length);
}
