import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { afterAll, describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { cleanUp, logOf, publishAll, startNode } from "./redis-rig.ts";
import { isMissing, startRedis } from "./redis-server.ts";

describe.skipIf(isMissing)("an engine over TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "tautline-redis-tls-"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];

  cleanUp();
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("takes the options of the client, and no certificate that it does not trust", async () => {
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const files = ["-keyout", key, "-out", certificate];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    execFileSync("openssl", ["req", "-x509", ...curve, "-nodes", "-days", "2", ...files, ...subject], {
      stdio: "ignore",
    });
    const port = await freePort();
    const serverFiles = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate];
    await startRedis("--tls-port", String(port), ...serverFiles, "--tls-auth-clients", "no");
    const clientWith = (options: object) =>
      createClient({ socket: { host: "localhost", port, tls: true, ...options } });
    const { engine } = startNode(clientWith({ ca: readFileSync(certificate) }));
    await publishAll(engine, "a", "1");
    expect(await logOf(engine, "a")).toEqual(["1"]);
    const { engine: other, errors } = startNode(clientWith({}), { timeoutMs: 300 });
    await expect(other.publish("a", "1", {})).rejects.toMatchObject({ code: "unavailable" });
    expect(errors[0]?.message).toMatch(/self-signed/);
  });
});
