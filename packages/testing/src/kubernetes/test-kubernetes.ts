import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { connectKube, type KubeClient, type KubeConnection, loadKubeconfig } from "@kedge/kube-client";
import { toError } from "@kedge/runtime";
import { findKubernetesBinaries, type KubernetesBinaries } from "./kubernetes-binaries.ts";
import { type PemPair, serviceAccountKeys, TestCa } from "./test-certificates.ts";
import { freePort, TestProcess } from "./test-process.ts";

const run = promisify(execFile);
const START_TRIES_MAX = 3;
const READY_TIMEOUT_MS = 90_000;
const READY_POLL_MS = 100;
const KUBECTL_OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface TestKubernetesOptions {
  readonly controllerManager?: boolean;
  readonly scheduler?: boolean;
  /**
   * Whether a pod needs its ServiceAccount to exist, as in any cluster. Default: with a controller manager, since
   * nobody else creates the account `default`.
   */
  readonly serviceAccountAdmission?: boolean;
  /** Further flags of kube-apiserver. */
  readonly apiserverArgs?: readonly string[];
}

/**
 * A real Kubernetes control plane of its own: etcd and kube-apiserver on loopback ports, TLS, RBAC; no nodes. Starts in
 * some seconds. `test("…", { skip: TestKubernetes.missing() }, …)` skips aloud where the programs are not there.
 */
export class TestKubernetes implements AsyncDisposable {
  /** `https://127.0.0.1:port` */
  readonly server: string;
  readonly ca: TestCa;
  /** Temporary folder, gone after disposal; holds the programs' logs (`*.log`). */
  readonly dir: string;
  /** A client certificate in group `system:masters`. */
  readonly adminKubeconfig: string;
  readonly binaries: KubernetesBinaries;
  readonly #scope: AsyncDisposableStack;
  readonly #apiserver: Restartable;

  private constructor(
    server: string,
    ca: TestCa,
    dir: string,
    adminKubeconfig: string,
    binaries: KubernetesBinaries,
    apiserver: Restartable,
    scope: AsyncDisposableStack,
  ) {
    this.#apiserver = apiserver;
    this.server = server;
    this.ca = ca;
    this.dir = dir;
    this.adminKubeconfig = adminKubeconfig;
    this.binaries = binaries;
    this.#scope = scope;
  }

  /** Why these tests cannot run here, or false: fits `skip` of `node:test`. */
  static missing(): string | false {
    const found = findKubernetesBinaries();
    return typeof found === "string" ? found : false;
  }

  static async start(options: TestKubernetesOptions = {}): Promise<TestKubernetes> {
    const binaries = findKubernetesBinaries();
    if (typeof binaries === "string") throw new Error(binaries);
    for (let tries = 1; ; tries += 1) {
      try {
        return await startOnce(binaries, options, (...parts) => new TestKubernetes(...parts));
      } catch (error) {
        if (tries === START_TRIES_MAX) throw error; // before: most likely somebody took the port that was free
      }
    }
  }

  connection(): KubeConnection {
    return loadKubeconfig(this.adminKubeconfig);
  }

  /** A new client as administrator; the caller disposes it. */
  connect(): KubeClient {
    return connectKube(this.connection(), { userAgent: "kedge-test" });
  }

  /** Writes a kubeconfig for another user. @returns its path. */
  async kubeconfigFor(user: string, groups: readonly string[] = []): Promise<string> {
    const path = join(this.dir, `${user.replaceAll(/[^a-zA-Z0-9.-]/g, "_")}.kubeconfig`);
    writeKubeconfig(path, this.server, this.ca, await this.ca.issueClient(user, groups));
    return path;
  }

  /** Runs kubectl of the same release as administrator. @returns what it printed. @throws with what it complained about. */
  async kubectl(...args: string[]): Promise<string> {
    const env = { ...process.env, KUBECONFIG: this.adminKubeconfig, HOME: this.dir };
    try {
      const { stdout } = await run(this.binaries.kubectl, args, { env, maxBuffer: KUBECTL_OUTPUT_BYTES_MAX });
      return stdout;
    } catch (error) {
      throw new Error(`kubectl ${args.join(" ")}: ${toError(error).message}`, { cause: error });
    }
  }

  /** Kills kube-apiserver as a crash does. Connections break and further ones are refused until {@link startApiserver}. */
  async killApiserver(): Promise<void> {
    await this.#apiserver.process.kill();
  }

  /** Resolves when the API server is ready again, on the same port and with all that it had acknowledged. */
  async startApiserver(): Promise<void> {
    this.#apiserver.process = this.#apiserver.start();
    await waitUntilReady(this.adminKubeconfig, [this.#apiserver.process]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

interface Restartable {
  process: TestProcess;
  start(): TestProcess;
}

type Assemble = (
  ...parts: [string, TestCa, string, string, KubernetesBinaries, Restartable, AsyncDisposableStack]
) => TestKubernetes;

async function startOnce(
  binaries: KubernetesBinaries,
  options: TestKubernetesOptions,
  assemble: Assemble,
): Promise<TestKubernetes> {
  await using scope = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "kedge-kubernetes-"));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const start = (name: string, program: string, args: readonly string[]) =>
    scope.use(TestProcess.start(name, program, args, join(dir, `${name}.log`)));

  const ca = await TestCa.create("kedge-test-ca");
  const caFile = file("ca.crt", ca.certificatePem);
  const caKeyFile = file("ca.key", ca.keyPem);
  const [etcdPort, peerPort, apiPort] = [await freePort(), await freePort(), await freePort()];
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const etcd = start("etcd", binaries.etcd, [
    `--data-dir=${join(dir, "etcd")}`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
  ]);

  const server = await ca.issueServer(
    "kube-apiserver",
    ["localhost", "kubernetes", "kubernetes.default.svc"],
    ["127.0.0.1", "10.0.0.1"],
  );
  const kubelet = await ca.issueClient("kube-apiserver-kubelet-client", ["system:masters"]);
  const keys = serviceAccountKeys();
  const serviceAccountKey = file("sa.key", keys.privatePem);
  const admission = options.serviceAccountAdmission ?? options.controllerManager ?? false;
  const apiserverArgs = [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=127.0.0.1`,
    `--secure-port=${apiPort}`,
    `--tls-cert-file=${file("apiserver.crt", server.certificate)}`,
    `--tls-private-key-file=${file("apiserver.key", server.key)}`,
    `--client-ca-file=${caFile}`,
    `--kubelet-client-certificate=${file("kubelet-client.crt", kubelet.certificate)}`,
    `--kubelet-client-key=${file("kubelet-client.key", kubelet.key)}`,
    `--service-account-issuer=https://kubernetes.default.svc`,
    `--service-account-key-file=${file("sa.pub", keys.publicPem)}`,
    `--service-account-signing-key-file=${serviceAccountKey}`,
    `--service-cluster-ip-range=10.0.0.0/16`,
    `--authorization-mode=Node,RBAC`,
    `--enable-admission-plugins=NodeRestriction`,
    ...(admission ? [] : ["--disable-admission-plugins=ServiceAccount"]),
    `--allow-privileged=true`,
    `--endpoint-reconciler-type=none`,
    ...(options.apiserverArgs ?? []),
  ];
  const logFile = join(dir, "kube-apiserver.log");
  const startApiserver = () => TestProcess.start("kube-apiserver", binaries.apiserver, apiserverArgs, logFile);
  const apiserver = { process: startApiserver(), start: startApiserver };
  scope.defer(() => apiserver.process[Symbol.asyncDispose]()); // the present one, whichever that is by then

  const url = `https://127.0.0.1:${apiPort}`;
  const adminKubeconfig = join(dir, "admin.kubeconfig");
  writeKubeconfig(adminKubeconfig, url, ca, await ca.issueClient("kubernetes-admin", ["system:masters"]));
  await waitUntilReady(adminKubeconfig, [etcd, apiserver.process]);

  if (options.controllerManager === true)
    start("kube-controller-manager", binaries.controllerManager, [
      `--kubeconfig=${adminKubeconfig}`,
      `--service-account-private-key-file=${serviceAccountKey}`,
      `--root-ca-file=${caFile}`,
      `--cluster-signing-cert-file=${caFile}`,
      `--cluster-signing-key-file=${caKeyFile}`,
      `--use-service-account-credentials=true`,
      `--leader-elect=false`,
      `--bind-address=127.0.0.1`,
      `--secure-port=0`,
    ]);
  if (options.scheduler === true)
    start("kube-scheduler", binaries.scheduler, [
      `--kubeconfig=${adminKubeconfig}`,
      `--leader-elect=false`,
      `--bind-address=127.0.0.1`,
      `--secure-port=0`,
    ]);
  return assemble(url, ca, dir, adminKubeconfig, binaries, apiserver, scope.move());
}

/** Polls, since a server that is not there yet has no way to tell us when it is. */
async function waitUntilReady(kubeconfig: string, processes: readonly TestProcess[]): Promise<void> {
  await using kube = connectKube(loadKubeconfig(kubeconfig));
  const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
  const died = Promise.race(processes.map((process) => process.ended));
  for (let last = "no answer"; ;) {
    try {
      const ready = await kube.raw("GET", "/readyz", signal);
      const namespace = await kube.raw("GET", "/api/v1/namespaces/default", signal);
      if (ready.status === 200 && namespace.status === 200) return;
      last = ready.body;
    } catch (error) {
      last = toError(error).message;
    }
    const ended = await Promise.race([died, delay(READY_POLL_MS, undefined)]);
    if (ended === undefined && !signal.aborted) continue;
    const logs = processes.map((process) => process.logTail()).join("\n");
    throw new Error(`Kubernetes did not become ready: ${ended ?? last}\n${logs}`);
  }
}

function writeKubeconfig(path: string, server: string, ca: TestCa, user: PemPair): void {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": base64(ca.certificatePem) } }],
    users: [
      {
        name: "user",
        user: { "client-certificate-data": base64(user.certificate), "client-key-data": base64(user.key) },
      },
    ],
    contexts: [{ name: "test", context: { cluster: "test", user: "user" } }],
    "current-context": "test",
  };
  writeFileSync(path, JSON.stringify(kubeconfig, undefined, 2), { mode: 0o600 }); // JSON is YAML
}
