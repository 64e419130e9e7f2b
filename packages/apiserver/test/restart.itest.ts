import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { CONFIG_MAPS, ENDPOINT_SLICES, SERVICES } from "@kedge/kube";
import { connectKube, loadKubeconfig } from "@kedge/kube-client";
import { type Clock, silentLogger, systemClock } from "@kedge/runtime";
import { startApiServer } from "../src/apiserver.ts";
import { startTestServer } from "./start-test-server.ts";

const signal = AbortSignal.timeout(50_000);

test("starts again with the same state, keys and administrator, on another port", { timeout: 30_000 }, async () => {
  await using first = await startTestServer();
  const { stateDir } = first;
  const pki = (name: string) => readFileSync(join(stateDir, "pki", name), "utf8");
  const before = { ca: pki("ca.crt"), server: pki("apiserver.crt"), tokens: pki("sa.key") };
  await using kube = connectKube(loadKubeconfig(first.api.adminKubeconfigPath));
  await kube.create(CONFIG_MAPS, { metadata: { namespace: "default", name: "kept" } }, signal);
  const { url } = first.api;
  await first.api[Symbol.asyncDispose]();

  await using second = await startTestServer({ stateDir });
  assert.deepEqual({ ca: pki("ca.crt"), server: pki("apiserver.crt"), tokens: pki("sa.key") }, before);
  await using again = connectKube(loadKubeconfig(second.api.adminKubeconfigPath));
  assert.ok(await again.get(CONFIG_MAPS, { namespace: "default", name: "kept" }, signal));
  const key = { namespace: "default", name: "kubernetes" };
  const slice = await again.get(ENDPOINT_SLICES, key, signal);
  assert.equal(slice.ports?.[0]?.port, Number(new URL(second.api.url).port), "says where it is now");
  assert.equal((await again.get(SERVICES, key, signal)).spec?.clusterIP, "10.96.0.1");
  assert.ok(url);
});

test("a new address gets a new certificate from the same authority", { timeout: 30_000 }, async () => {
  await using first = await startTestServer();
  const { stateDir } = first;
  await first.api[Symbol.asyncDispose]();
  await using second = await startTestServer({
    stateDir,
    advertiseAddresses: ["edge.example", "127.0.0.1", "192.0.2.7"],
  });
  const certificate = new X509Certificate(readFileSync(join(stateDir, "pki/apiserver.crt")));
  assert.ok(
    certificate.checkHost("edge.example") && certificate.checkIP("192.0.2.7") && certificate.checkIP("127.0.0.1"),
  );
  assert.ok(certificate.verify(new X509Certificate(second.api.caPem).publicKey));
});

test("a server that runs for a year has new certificates in time", { timeout: 30_000 }, async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "kedge-renewal-"));
  try {
    let jumpMs = 0;
    const asleep: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      now: () => Date.now() + jumpMs,
      async sleep(ms, until) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        if (ms > 3_600_000) asleep.push(resolve); // the twice-daily look at the certificates
        until.addEventListener("abort", () => reject(until.reason as Error));
        await promise;
      },
    };
    await using api = await startApiServer(
      { stateDir, address: "127.0.0.1", port: 0, advertiseAddresses: ["127.0.0.1"] },
      { logger: silentLogger, clock },
      signal,
    );
    const { hostname: host, port } = new URL(api.url);
    const shown = async (): Promise<string> => {
      // Our own clock does not jump: to us the new certificate is of the future.
      const socket = connectTls({ host, port: Number(port), rejectUnauthorized: false });
      await once(socket, "secureConnect");
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const kubeconfig = () => readFileSync(api.adminKubeconfigPath, "utf8");
    const before = { certificate: await shown(), kubeconfig: kubeconfig() };
    asleep.pop()?.();
    while (asleep.length === 0) await nextTurn();
    assert.deepEqual({ certificate: await shown(), kubeconfig: kubeconfig() }, before, "too early");
    jumpMs = 340 * 86_400_000;
    asleep.pop()?.();
    while (asleep.length === 0) await nextTurn();
    assert.notEqual(await shown(), before.certificate);
    assert.notEqual(kubeconfig(), before.kubeconfig);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
});

test("secrets are readable for their owner alone", { timeout: 30_000 }, async () => {
  await using server = await startTestServer();
  for (const file of ["pki/ca.key", "pki/sa.key", "pki/apiserver.key", "admin.kubeconfig", "apiserver.db"])
    assert.equal(statSync(join(server.stateDir, file)).mode & 0o077, 0, file);
});

test("two servers on one state folder: the second says so and the first lives on", { timeout: 30_000 }, async () => {
  await using first = await startTestServer();
  await assert.rejects(startTestServer({ stateDir: first.stateDir }), { code: "DatabaseInUse" });
  const health = await first.api.transport.request({ method: "GET", path: "/healthz", headers: {}, signal });
  assert.equal(health.status, 200);
});

test("a port that is taken is named, and nothing stays open", { timeout: 30_000 }, async () => {
  await using first = await startTestServer();
  const port = Number(new URL(first.api.url).port);
  await assert.rejects(startTestServer({ port }), {
    code: "CannotListen",
    message: new RegExp(`127.0.0.1:${port}.*another program`),
  });
});

test(
  "a certificate authority that lost its key, or cannot be read, is never replaced",
  { timeout: 30_000 },
  async () => {
    await using first = await startTestServer();
    const { stateDir } = first;
    await first.api[Symbol.asyncDispose]();
    truncateSync(join(stateDir, "pki/ca.key"));
    await assert.rejects(startTestServer({ stateDir }), { code: "BadAuthority" });
    unlinkSync(join(stateDir, "pki/ca.key"));
    await assert.rejects(startTestServer({ stateDir }), { code: "BadAuthority" });
  },
);
