import { ConnError } from "../base/errors.ts";

/** The parts of a page, or of a worker, that tell what a relative URL is relative to. */
interface Page {
  readonly document?: { readonly baseURI?: string };
  readonly location?: { readonly href?: string };
}

/** A scheme and an authority: such a URL means the same on every page. */
const ABSOLUTE = /^\s*[a-z][a-z\d+.-]*:\/\//i;

/**
 * Returns the URL to dial, as the platform's own WebSocket takes it (WHATWG WebSockets, constructor): `http:` and
 * `https:` stand for `ws:` and `wss:`, and a string may be relative to the page.
 *
 * @throws {@link ConnError} `bad-url`; its message does not quote the URL, because a URL may hold a token
 */
export function parseUrl(url: unknown): string {
  let href: string;
  try {
    const text = textOf(url);
    const parsed = new URL(text, ABSOLUTE.test(text) ? undefined : baseUrl());
    // React Native's URL knows no host of `ws:`, and appends a slash; its WebSocket takes the text as it is.
    href = (parsed.hostname ? parsed.href : text.trim()).replace(/^http/i, "ws");
  } catch {
    throw new ConnError("bad-url", "The URL can't be parsed: give an absolute one, such as wss://example.com/path.");
  }
  const scheme = /^[^:]*:?/.exec(href)?.[0];
  if (!/^wss?:$/i.test(scheme ?? "")) {
    throw new ConnError("bad-url", `${scheme} is no scheme of a WebSocket: use ws:, wss:, http: or https:.`);
  }
  if (!/^[^:]*:\/\/[^/?#]/.test(href)) throw new ConnError("bad-url", "The URL of a WebSocket needs a host.");
  if (href.includes("#")) {
    throw new ConnError("bad-url", "The URL of a WebSocket has no fragment (RFC 6455, section 3).");
  }
  return href;
}

/** The text of `url`. Without the check, `undefined` would become a path of the page. */
function textOf(url: unknown): string {
  // A URL of another realm (jsdom, an iframe) is no instance of ours.
  const text = typeof url === "object" && url !== null ? (url as { readonly href?: unknown }).href : url;
  if (typeof text !== "string") throw new TypeError("Expected a string or a URL.");
  return text;
}

/** Returns the base of relative URLs on this page. The base is missing, or throws, where a server renders the page. */
function baseUrl(): string | undefined {
  const { document, location } = globalThis as Page;
  return document?.baseURI ?? location?.href;
}
