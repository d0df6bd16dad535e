import { describe, expect, test, vi } from "vitest";
import { type HandlerOptions, handle, handler } from "../../../src/server/index.ts";
import { rawSocket, type Site, site, statusOf, until, upgradeRequest } from "../../support/ws-server.ts";

function serving(options: HandlerOptions = {}): Promise<Site> {
  return site((server) =>
    handle(
      server,
      "/ws",
      handler(() => {}, options),
    ),
  );
}

/** The status for an upgrade from `origin`; `{port}` stands for the server's. */
function from({ url, port }: Site, origin: string | undefined, host?: string): Promise<unknown> {
  const headers = {
    ...(origin !== undefined && { origin: origin.replace("{port}", `${port}`) }),
    ...(host && { host }),
  };
  return statusOf(url(), { headers });
}

describe("by default", () => {
  test.each<[string, string | undefined, number]>([
    ["of no page, as a program has none", undefined, 101],
    ["of the same host and port", "http://127.0.0.1:{port}", 101],
    ["of the same host behind TLS", "https://127.0.0.1:{port}", 101],
    ["of another host", "http://example.com:{port}", 403],
    ["of another name of the host", "http://localhost:{port}", 403],
    ["of a host whose name begins alike", "http://127.0.0.1:{port}.example.com", 403],
    ["of another port", "http://127.0.0.1:1", 403],
    ["of the default port", "http://127.0.0.1", 403],
    ["of a page from a file, or sandboxed", "null", 403],
    ["that is empty", "", 403],
    ["that is no URL", "http://[", 403],
    ["of the same host by another scheme", "ws://127.0.0.1:{port}", 403],
    ["of an extension that has the name of the host", "chrome-extension://127.0.0.1:{port}", 403],
    ["with a path", "http://127.0.0.1:{port}/path", 403],
    ["with a user", "http://user@127.0.0.1:{port}", 403],
  ])("an origin %s: %s is answered with %i", async (_name, origin, status) => {
    expect(await from(await serving(), origin)).toBe(status);
  });

  test.each([
    ["http://example.com", "example.com", 101],
    ["https://example.com", "example.com", 101],
    ["http://example.com", "EXAMPLE.com", 101],
    ["https://example.com:8443", "example.com:8443", 101],
    ["https://example.com", "example.com:443", 101],
    ["http://example.com", "example.com:80", 101],
    ["http://example.com", "example.com:443", 403],
    ["https://xn--bcher-kva.de", "xn--bcher-kva.de", 101],
    ["https://example.com:8443", "example.com", 403],
    ["https://example.com", "www.example.com", 403],
  ])("origin %s and host %s are answered with %i", async (origin, host, status) => {
    expect(await from(await serving(), origin, host)).toBe(status);
  });

  test.each([
    ["no Host", undefined],
    ["an empty Host", ""],
  ])("an origin is refused where the request has %s", async (_what, Host) => {
    const { port } = await serving();
    const { input } = rawSocket(port, upgradeRequest("/ws", { Origin: "http://undefined", Host }));
    await until(() => expect(input()).toMatch(/^HTTP\/1\.1 400 /));
  });

  test("a refused upgrade gets a whole response, and its connection ends", async () => {
    const { port } = await serving();
    const { input, isClosed } = rawSocket(port, upgradeRequest("/ws", { Origin: "http://example.com" }));
    await until(() => expect(isClosed()).toBe(true));
    expect(input()).toBe(
      "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nForbidden",
    );
  });

  test("a refused upgrade does not reach the handler function", async () => {
    const serve = vi.fn();
    const all = await site((server) => handle(server, "/ws", handler(serve)));
    expect(await from(all, "http://example.com")).toBe(403);
    expect(await from(all, undefined)).toBe(101);
    await until(() => expect(serve).toHaveBeenCalledTimes(1));
  });
});

describe("with a list", () => {
  test.each([
    ["http://example.com", 101],
    ["null", 101],
    ["http://127.0.0.1:{port}", 101],
    [undefined, 101],
    ["https://example.com", 403],
    ["http://example.com:81", 403],
    ["http://example.com.evil.test", 403],
  ])("origin %s is answered with %i", async (origin, status) => {
    expect(await from(await serving({ origins: ["http://example.com", "null"] }), origin)).toBe(status);
  });
});

describe("a list", () => {
  test.each([
    ["https://Example.com/", "https://example.com"],
    ["https://example.com:443", "https://example.com"],
    ["https://bücher.de", "https://xn--bcher-kva.de"],
    ["capacitor://localhost", "capacitor://localhost"],
  ])("with %s allows %s, as a browser sends it", async (entry, origin) => {
    expect(await from(await serving({ origins: [entry] }), origin)).toBe(101);
  });

  test("does not allow an origin by a part of it", async () => {
    const all = await serving({ origins: ["https://app.example.com"] });
    expect(await from(all, "https://app.example.co")).toBe(403);
    expect(await from(all, "capacitor://app.example.com")).toBe(403);
  });

  test.each([
    ["https://example.com/app", "https://example.com"],
    ["https://example.com?x", "https://example.com"],
    ["https://user@example.com", "https://example.com"],
    ["https://*.example.com", "origin"],
    ["example.com", "origin"],
    ["*", "() => true allows any origin"],
    ["", "origin"],
    [/example/, "origin"],
  ])("with %s throws bad-option", (entry, hint) => {
    const message = expect.stringContaining(hint);
    const make = () => handler(() => {}, { origins: [entry as string] });
    expect(make).toThrow(expect.objectContaining({ code: "bad-option", message }));
  });
});

describe("with a function", () => {
  test("the function decides on every origin, the server's own too, and gets the request", async () => {
    const origins = vi.fn((origin: string) => origin === "http://example.com");
    const all = await serving({ origins });
    expect(await from(all, "http://example.com")).toBe(101);
    expect(await from(all, "http://127.0.0.1:{port}")).toBe(403);
    expect(await from(all, "null")).toBe(403);
    expect(origins.mock.calls).toMatchObject([
      ["http://example.com", { url: "/ws", headers: { origin: "http://example.com" } }],
      [`http://127.0.0.1:${all.port}`, { url: "/ws" }],
      ["null", { url: "/ws" }],
    ]);
  });

  test("a function that throws refuses with 500 and is reported, and the server continues", async () => {
    const errors: unknown[] = [];
    const origins = (origin: string) => {
      if (origin === "null") throw new Error("no such origin");
      return true;
    };
    const all = await serving({ origins, onError: (error, conn) => errors.push([error, conn]) });
    expect(await from(all, "null")).toBe(500);
    expect(errors).toEqual([[new Error("no such origin"), undefined]]);
    expect(await from(all, "http://example.com")).toBe(101);
  });

  test("a promise does not allow the origin", async () => {
    const origins = (async () => true) as unknown as () => boolean;
    expect(await from(await serving({ origins }), "http://example.com")).toBe(403);
  });

  test("the function is not called without an origin", async () => {
    const origins = vi.fn(() => false);
    expect(await from(await serving({ origins }), undefined)).toBe(101);
    expect(origins).not.toHaveBeenCalled();
  });
});
