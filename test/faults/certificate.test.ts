import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { Conn, type ConnOptions, type Payload } from "../../src/index.ts";

interface Pair {
  readonly key: string;
  readonly cert: string;
}

/** A certificate authority of the test's own: a folder, which OpenSSL fills. */
class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), "tautline-authority-"));
  readonly own: Pair;

  constructor() {
    const config =
      "[ca]\ndefault_ca=d\n[d]\ndir=.\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n" +
      "policy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n";
    for (const [name, text] of Object.entries({ "ca.cnf": config, "index.txt": "", serial: "01" })) {
      writeFileSync(join(this.#folder, name), text);
    }
    this.own = this.selfSigned("IP:127.0.0.1", "authority");
  }

  selfSigned(subject: string, name = `self-${Math.random()}`): Pair {
    this.#openssl("req", "-x509", "-days", "1", ...request(subject, name, ".crt"));
    return this.#read(name);
  }

  /** Signs a certificate for loopback that is valid from `start` to `end`, each as `YYYYMMDDHHMMSSZ`. */
  signed(start: string, end: string): Pair {
    const name = `signed-${start}-${Math.random()}`;
    const files = ["-cert", "authority.crt", "-keyfile", "authority.key", "-in", `${name}.csr`, "-out", `${name}.crt`];
    this.#openssl("req", ...request("IP:127.0.0.1", name, ".csr"));
    this.#openssl("ca", "-batch", "-notext", "-config", "ca.cnf", ...files, "-startdate", start, "-enddate", end);
    return this.#read(name);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #read(name: string): Pair {
    const read = (suffix: string) => readFileSync(join(this.#folder, name + suffix), "utf8");
    return { key: read(".key"), cert: read(".crt") };
  }

  #openssl(...args: readonly string[]): void {
    execFileSync("openssl", args, { cwd: this.#folder, stdio: "ignore" });
  }
}

function request(subject: string, name: string, suffix: string): string[] {
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const who = ["-subj", "/CN=127.0.0.1", "-addext", `subjectAltName=${subject}`];
  return [...kind, ...who, "-keyout", `${name}.key`, "-out", name + suffix];
}

const PAST = ["20200101000000Z", "20200201000000Z"] as const;
const PRESENT = ["20200101000000Z", "20490101000000Z"] as const;
const FUTURE = ["20480101000000Z", "20490101000000Z"] as const;

describe("a certificate", () => {
  let authority: Authority;
  beforeAll(() => {
    authority = new Authority();
  });
  afterAll(() => authority?.remove());

  /** Serves echoes over TLS, and returns the server and its port. */
  async function serve(options: object, port = 0): Promise<{ stop(): Promise<void>; port: number }> {
    const server = createServer(options);
    const open = new Set<Duplex>();
    server.on("connection", (socket) => open.add(socket));
    const stop = () => {
      for (const socket of open) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    };
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    onTestFinished(stop);
    return { stop, port: (server.address() as AddressInfo).port };
  }

  function dial(port: number, clientOptions: object) {
    const options: ConnOptions<Payload> = { clientOptions, backoff: () => 0 };
    const conn = new Conn<Payload>(`wss://127.0.0.1:${port}`, options);
    const next = <Name extends "open" | "disconnected">(name: Name) =>
      new Promise<unknown>((resolve) => conn.on(name, resolve, { once: true }));
    onTestFinished(() => void conn.close());
    return { conn, next };
  }

  test.for([
    ["that is self-signed", () => ({ server: authority.own, code: "DEPTH_ZERO_SELF_SIGNED_CERT" })],
    ["that has expired", () => ({ server: authority.signed(...PAST), trusts: true, code: "CERT_HAS_EXPIRED" })],
    [
      "of another host",
      () => {
        const server = authority.selfSigned("DNS:other.example");
        return { server, ca: server.cert, code: "ERR_TLS_CERT_ALTNAME_INVALID" };
      },
    ],
    [
      "of an authority that is not trusted",
      () => ({ server: authority.signed(...PRESENT), code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }),
    ],
  ] as const)("%s ends a Conn that was never open, and names the reason", async ([, make]) => {
    const { server, code, ...trust } = make();
    const ca = "ca" in trust ? trust.ca : authority.own.cert;
    const { port } = await serve(server);
    const { conn, next } = dial(port, "trusts" in trust || "ca" in trust ? { ca } : {});
    const cause = { code: "refused", message: expect.stringContaining(code), cause: { code } };
    expect(await next("disconnected")).toMatchObject({ code: 1015, clean: false, willRetry: false, cause });
    const closed = await conn.closed;
    expect(closed).toMatchObject({ code: 1015, by: "policy" });
    expect(closed.error?.message).toContain(code);
  });

  test("that a server wants of the client, and does not get, ends the Conn", async () => {
    const { port } = await serve({ ...authority.own, requestCert: true, rejectUnauthorized: true });
    const { conn } = dial(port, { ca: authority.own.cert });
    expect(await conn.closed).toMatchObject({ code: 1015, by: "policy" });
  });

  test("that is not valid yet is tried again, because the clock may be wrong", async () => {
    const { port } = await serve(authority.signed(...FUTURE));
    const { next } = dial(port, { ca: authority.own.cert });
    const cause = { code: "CERT_NOT_YET_VALID" };
    expect(await next("disconnected")).toMatchObject({ code: 1006, willRetry: true, cause });
  });

  test("that expires after a first connection is tried again until the server has another one", async () => {
    const good = authority.signed(...PRESENT);
    const first = await serve(good);
    const { conn, next } = dial(first.port, { ca: authority.own.cert });
    await conn.ready();
    await first.stop();
    const expired = await serve(authority.signed(...PAST), first.port);
    let end = await next("disconnected");
    // The first endings are of the old connection and of a port without a server.
    while ((end as { code: number }).code !== 1015) end = await next("disconnected");
    expect(end).toMatchObject({ willRetry: true, cause: { code: "refused" } });
    await expired.stop();
    await serve(good, first.port);
    await conn.ready();
    conn.send("hello");
    expect(await conn.receive()).toBe("hello");
  });

  test("is not to blame where a port speaks no TLS, which is tried again", async () => {
    const server = createPlainServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { next } = dial((server.address() as AddressInfo).port, {});
    expect(await next("disconnected")).toMatchObject({ code: 1006, willRetry: true });
  });
});
