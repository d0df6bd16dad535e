import { ConnError } from "./errors.ts";

/** The parts of a page, or of a worker, that give the base of relative URLs. */
interface Page {
  readonly document?: { readonly baseURI?: string };
  readonly location?: { readonly href?: string };
}

/** A scheme and an authority: such a URL means the same on every page. */
const ABSOLUTE = /^\s*[a-z][a-z\d+.-]*:\/\//i;
/** A URL that a WebSocket takes, with a host and without a fragment (RFC 6455, section 3). */
const DIALABLE = /^wss?:\/\/[^/?#][^#]*$/i;

/**
 * Returns the URL to dial, as the platform's own WebSocket takes it (WHATWG WebSockets, constructor): `http:` and
 * `https:` stand for `ws:` and `wss:`, and a string may be relative to the page.
 *
 * @throws {@link ConnError} `bad-url`; its message does not quote the URL, because a URL may hold a token
 */
export function parseUrl(url: unknown): string {
  try {
    // Not by its class, because a URL of another realm (jsdom, an iframe) is no instance of ours.
    const text = (url as { readonly href?: unknown }).href ?? url;
    // Otherwise `{}` would become a path of the page.
    if (typeof text === "string") {
      const parsed = new URL(text, ABSOLUTE.test(text) ? undefined : baseUrl());
      // React Native's URL knows no host of `ws:`, and appends a slash; its WebSocket takes the text as it is.
      const href = (parsed.hostname ? parsed.href : text.trim()).replace(/^http/i, "ws");
      if (DIALABLE.test(href)) return href;
    }
  } catch {
    // Refused below, because one sentence says all that is asked of a URL.
  }
  throw new ConnError(
    "bad-url",
    "The URL must be absolute, or relative to a page: ws:, wss:, http: or https: with a host and no fragment.",
  );
}

/** Returns the base of relative URLs on this page. The base is missing, or throws, where a server renders the page. */
function baseUrl(): string | undefined {
  const { document, location } = globalThis as Page;
  return document?.baseURI ?? location?.href;
}
