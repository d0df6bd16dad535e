import { describe, expect, test, vi } from "vitest";
import { parseUrl } from "../../../src/base/url.ts";

describe("the URL to dial", () => {
  test.each([
    ["wss://example.com/live?a=1", "wss://example.com/live?a=1"],
    ["  https://example.com ", "wss://example.com/"],
    ["HTTP://Example.com:80/x", "ws://example.com/x"],
    ["ws://user:secret@[::1]:8080/", "ws://user:secret@[::1]:8080/"],
  ])("%j is dialed as %s", (url, dialed) => {
    expect(parseUrl(url)).toBe(dialed);
    expect(parseUrl(new URL(url))).toBe(dialed);
  });

  test.each([
    ["/live", "wss://example.com/live"],
    ["live", "wss://example.com/app/live"],
    ["//other.example/x", "wss://other.example/x"],
    // The scheme of the page without an authority is relative, as in every part of a page.
    ["https:live", "wss://example.com/app/live"],
    ["ws:other.example", "ws://other.example/"],
  ])("%j on a page is dialed as %s", (url, dialed) => {
    vi.stubGlobal("location", { href: "https://example.com/elsewhere" });
    vi.stubGlobal("document", { baseURI: "https://example.com/app/page" });
    expect(parseUrl(url)).toBe(dialed);
  });

  test("is relative to the location where there is no document, as in a worker", () => {
    vi.stubGlobal("location", { href: "http://example.com/worker.js" });
    expect(parseUrl("live")).toBe("ws://example.com/live");
  });

  const refusal = expect.objectContaining({
    code: "bad-url",
    message: "The URL must be absolute, or relative to a page: ws:, wss:, http: or https: with a host and no fragment.",
  });

  test.each([
    "/live",
    "ftp://example.com/",
    "wss://example.com/#part",
    "wss://example.com/#",
    undefined,
    null,
    {},
    "wss://exa mple.com",
  ])("%j without a page is refused, in one sentence that names what a URL must have", (url) => {
    expect(() => parseUrl(url)).toThrow(refusal);
  });

  test.each([undefined, null, {}, 5, () => {}])("%j on a page is no path of the page", (url) => {
    vi.stubGlobal("location", { href: "https://example.com/elsewhere" });
    expect(() => parseUrl(url)).toThrow(refusal);
  });

  test("an absolute one asks nothing of the page, whose location may throw", () => {
    vi.stubGlobal("document", {
      get baseURI() {
        throw new Error("no page");
      },
    });
    expect(parseUrl("wss://example.com/")).toBe("wss://example.com/");
  });

  test("is taken as text where URL has getters only and knows no host of ws:, as in React Native", () => {
    class ReactNativeUrl {
      readonly #url: string;

      constructor(url: string) {
        this.#url = url.endsWith("/") ? url : `${url}/`;
      }

      get href() {
        return this.#url;
      }

      get hostname() {
        return /^https?:\/\/([^:/?#]+)/.exec(this.#url)?.[1] ?? "";
      }
    }
    vi.stubGlobal("URL", ReactNativeUrl);
    expect(parseUrl("wss://example.com/live")).toBe("wss://example.com/live");
    expect(() => parseUrl("wss://")).toThrow(refusal);
    expect(() => parseUrl("/live")).toThrow(refusal);
  });
});
