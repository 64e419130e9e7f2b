import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import { loadCloudCoreConfig } from "@kedge/api";
import { TestKubernetes } from "@kedge/testing";
import { CLOUDCORE_SUPPORTED } from "../src/cloudcore.ts";
import { startKubernetes } from "./cloud-fixture.ts";

const program = new URL("../src/cloudcore-main.ts", import.meta.url).pathname;
const run = promisify(execFile);
const cloudcore = (...args: string[]) => run(process.execPath, [program, ...args], { env: { PATH: "" } });
const timeout = 60_000;

test("prints configurations that it reads itself, and its version", { timeout }, async () => {
  for (const flag of ["--defaultconfig", "--minconfig"]) {
    const { stdout } = await cloudcore(flag);
    const supported = { supported: CLOUDCORE_SUPPORTED };
    const { warnings } = loadCloudCoreConfig(stdout, { hostname: "h", localIP: "192.0.2.1" }, supported);
    assert.deepEqual(warnings, []);
  }
  assert.match((await cloudcore("--version")).stdout, /^Kedge v\d/);
  assert.match((await cloudcore("--version=raw")).stdout, /^Kedge v\d/);
});

const wrong = [
  {
    name: "a file that is not there",
    args: ["--config", "/nonexistent.yaml"],
    says: /^cloudcore: cannot read the configuration \/nonexistent\.yaml: ENOENT.*; .*cloudcore --minconfig > /,
  },
  { name: "a file that is none", args: ["--config", import.meta.filename], says: /main\.itest\.ts: the configuration/ },
  { name: "a flag that it does not know", args: ["--bogus"], says: /--bogus/ },
  { name: "no cluster", args: [], says: /kubeconfig|in a pod/ },
];
for (const { name, args, says } of wrong)
  test(`says in one line what is wrong with ${name}`, { timeout }, async () => {
    await using dir = await temporary();
    await writeFile(join(dir.path, "cloudcore.yaml"), "modules: {}");
    const given = args.length > 0 ? args : ["--config", join(dir.path, "cloudcore.yaml")];
    await assert.rejects(cloudcore(...given), (error: Error & { code?: number; stderr?: string }) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr ?? "", says);
      assert.doesNotMatch(error.stderr ?? "", /\n {4}at /);
      return true;
    });
  });

test("without our CRDs it says what to apply", { timeout, skip: TestKubernetes.missing() }, async () => {
  await using kubernetes = await TestKubernetes.start();
  await using dir = await temporary();
  const config = await writeConfig(dir.path, kubernetes.adminKubeconfig);
  await assert.rejects(cloudcore("--config", config), (error: Error & { stderr?: string }) => {
    assert.match(error.stderr ?? "", /kubectl apply -f manifests\/crds\//);
    return true;
  });
});

test(
  "with a KubeEdge configuration it makes the join token, and ends in good order",
  { timeout, skip: TestKubernetes.missing() },
  async () => {
    await using kubernetes = await startKubernetes();
    await using dir = await temporary();
    const config = await writeConfig(dir.path, kubernetes.adminKubeconfig);
    const child = spawn(process.execPath, [program, "--config", config], { stdio: ["ignore", "ignore", "pipe"] });
    try {
      for await (const line of createInterface(child.stderr)) if (line.includes('"msg":"ready"')) break;
      const token = await kubernetes.kubectl(
        "-n",
        "kubeedge",
        "get",
        "secret",
        "tokensecret",
        "-o",
        "jsonpath={.data.tokendata}",
      );
      assert.equal(Buffer.from(token, "base64").toString().split(".").length, 4);
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "exit"), [0, null]);
    } finally {
      child.kill("SIGKILL");
    }
  },
);

async function temporary(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "kedge-cloudcore-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function writeConfig(dir: string, kubeconfig: string): Promise<string> {
  const address = "127.0.0.1";
  const config = {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha1",
    kind: "CloudCore",
    commonConfig: { monitorServer: { bindAddress: `${address}:0` } },
    kubeAPIConfig: { kubeConfig: kubeconfig, qps: 100, burst: 200 },
    modules: {
      cloudHub: {
        advertiseAddress: [address],
        tlsCAFile: join(dir, "ca.crt"),
        tlsCAKeyFile: join(dir, "ca.key"),
        tlsCertFile: join(dir, "server.crt"),
        tlsPrivateKeyFile: join(dir, "server.key"),
        websocket: { address, port: 0 },
        https: { address, port: 0 },
      },
      cloudStream: { address, tunnelPort: 0, streamPort: 0 },
    },
  };
  const file = join(dir, "cloudcore.yaml");
  await writeFile(file, JSON.stringify(config)); // JSON is YAML
  return file;
}
