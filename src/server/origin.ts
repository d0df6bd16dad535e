import type { IncomingMessage } from "node:http";

/**
 * Origins that may connect besides the server's own: a list, such as `["https://example.com", "null"]`, or a function
 * that decides on every origin. An upgrade without an `Origin` header comes from no browser and is always allowed.
 */
export type Origins = readonly string[] | ((origin: string, request: IncomingMessage) => boolean);

/**
 * Whether the page behind an upgrade may connect (RFC 6455, section 10.2). Browsers let any page connect to any server,
 * cookies included, so that the `Origin` header is the server's only means to tell pages apart.
 */
export function allowsOrigin(request: IncomingMessage, origins: Origins = []): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (typeof origins === "function") return origins(origin, request) === true;
  return origins.includes(origin) || (host !== undefined && hostOf(origin) === host.toLowerCase());
}

/** Host and port of `origin`. `undefined` where there is none, as in the `null` of a page from a file. */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
