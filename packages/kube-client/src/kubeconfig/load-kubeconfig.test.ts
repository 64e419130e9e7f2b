import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "@kedge/runtime";
import { ManualClock } from "../manual-clock.test-data.ts";
import { inClusterConnection } from "./in-cluster.ts";
import { loadKubeconfig } from "./load-kubeconfig.ts";
import { tokenFileCredentials } from "./token-file-credentials.ts";

let dir: string;
const signal = AbortSignal.timeout(20_000);
before(() => (dir = mkdtempSync(join(tmpdir(), "kedge-kubeconfig-"))));
after(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

function kubeconfig(cluster: object, user: object = {}): string {
  return file(
    "config",
    JSON.stringify({
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:6443", ...cluster } }],
      users: [{ name: "u", user }],
      contexts: [
        { name: "first", context: { cluster: "c", user: "u", namespace: "apps" } },
        { name: "broken", context: { cluster: "nobody", user: "u" } },
      ],
      "current-context": "first",
    }),
  );
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

test("reads data from the file and from files beside it", async () => {
  file("ca.pem", "CA");
  const connection = loadKubeconfig(
    kubeconfig(
      { "certificate-authority": "ca.pem", "tls-server-name": "kube" },
      { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY"), token: "T" },
    ),
  );
  assert.equal(connection.server, "https://127.0.0.1:6443");
  assert.equal(connection.serverCa, "CA");
  assert.equal(connection.serverName, "kube");
  assert.equal(connection.namespace, "apps");
  assert.deepEqual(await connection.credentials.get(signal), {
    clientCertificate: "CERT",
    clientKey: "KEY",
    bearerToken: "T",
  });
});

const refusals = [
  {
    name: "skipping TLS verification",
    cluster: { "insecure-skip-tls-verify": true },
    code: "InsecureRefused",
    says: /insecure-skip-tls-verify is refused/,
  },
  { name: "plain HTTP", cluster: { server: "http://127.0.0.1:8080" }, code: "InsecureRefused", says: /https/ },
  {
    name: "a proxy",
    cluster: { "proxy-url": "http://proxy" },
    code: "Unsupported",
    says: /proxy-url is not supported/,
  },
  { name: "a password", user: { username: "me" }, code: "Unsupported", says: /user.username is not supported/ },
  {
    name: "half a certificate",
    user: { "client-key-data": base64("KEY") },
    code: "Incomplete",
    says: /needed together/,
  },
  { name: "a number as token", user: { token: 7 }, code: "Malformed", says: /user.token is not text/ },
  { name: "a missing file", user: { "client-key": "none.pem" }, code: "Unreadable", says: /cannot read .*client-key/ },
];
for (const { name, cluster = {}, user = {}, code, says } of refusals)
  test(`refuses ${name} and says where it stands`, () => {
    assert.throws(
      () => loadKubeconfig(kubeconfig(cluster, user)),
      (error: unknown) =>
        hasCode(error, code) && says.test(error.message) && error.message.includes(join(dir, "config")),
    );
  });

test("says which context, file or YAML is wrong", () => {
  assert.throws(() => loadKubeconfig(kubeconfig({}), "broken"), /clusters has no cluster named "nobody"/);
  assert.throws(() => loadKubeconfig(kubeconfig({}), "none"), /contexts has no context named "none"/);
  assert.throws(() => loadKubeconfig(join(dir, "absent")), /cannot read kubeconfig/);
  assert.throws(
    () => loadKubeconfig(file("bad", "a: [")),
    (error: unknown) => hasCode(error, "Malformed"),
  );
  assert.throws(
    () => loadKubeconfig(file("list", "[]")),
    (error: unknown) => hasCode(error, "Malformed"),
  );
});

test("reads a token file again, and keeps the old token while it is being replaced", async () => {
  const clock = new ManualClock();
  const path = file("token", "one\n");
  const source = tokenFileCredentials(path, {}, clock);
  assert.equal((await source.get(signal)).bearerToken, "one");
  writeFileSync(path, "two");
  assert.equal((await source.get(signal)).bearerToken, "one");
  await clock.advance(60_000);
  assert.equal((await source.get(signal)).bearerToken, "two");
  writeFileSync(path, "");
  source.invalidate();
  assert.equal((await source.get(signal)).bearerToken, "two");
  const none = tokenFileCredentials(join(dir, "none"));
  await assert.rejects(none.get(signal), (error: unknown) => hasCode(error, "CredentialUnavailable"));
});

test("runs a credential program without a shell, once for many requests, and again when refused", async () => {
  const calls = join(dir, "calls");
  const program = file(
    "plugin",
    `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
appendFileSync(${JSON.stringify(calls)}, JSON.stringify([process.argv.slice(2), process.env.EXTRA]) + "\\n");
const { apiVersion } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
const token = "t" + readFileSync(${JSON.stringify(calls)}, "utf8").trim().split("\\n").length;
console.log(JSON.stringify({ apiVersion, kind: "ExecCredential", status: { token } }));`,
  );
  chmodSync(program, 0o755);
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./plugin",
    args: ["$(touch /tmp/never)", "a b"],
    env: [{ name: "EXTRA", value: "x" }],
  };
  const { credentials } = loadKubeconfig(kubeconfig({}, { exec }));
  const both = await Promise.all([credentials.get(signal), credentials.get(signal)]);
  assert.deepEqual(
    both.map(({ bearerToken }) => bearerToken),
    ["t1", "t1"],
  );
  credentials.invalidate();
  assert.equal((await credentials.get(signal)).bearerToken, "t2");
});

test("tells why a credential program failed", async () => {
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "./absent", installHint: "install it" };
  const { credentials } = loadKubeconfig(kubeconfig({}, { exec }));
  await assert.rejects(credentials.get(signal), /credential program .*absent failed: .*install it/s);
});

test("connects from within a pod", async () => {
  file("token", "sa");
  file("ca.crt", "CA");
  file("namespace", "apps\n");
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  const connection = inClusterConnection(env, dir);
  assert.equal(connection.server, "https://[fd00::1]:443");
  assert.equal(connection.namespace, "apps");
  assert.equal((await connection.credentials.get(signal)).bearerToken, "sa");
  assert.throws(() => inClusterConnection({}, dir), /not in a pod/);
});
