import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { CLUSTER_OBJECT_SYNCS, OBJECT_SYNCS } from "@kedge/api";
import { SECRETS } from "@kedge/kube";
import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { DIGEST_TYPES, digestOf, digestRoot, type HeldObject } from "@kedge/protocol";
import { programCommand } from "@kedge/standalone";
import { freePort, TestProcess } from "@kedge/testing";
import { setTimeout as delay } from "node:timers/promises";
import { waitForObject } from "../e2e/wait-for-object.ts";

const root = join(import.meta.dirname, "../..");
process.env["KEDGE_ROOT"] ??= root;
const READY_MS = 60_000;

/** An API server and a cloudcore, each a process of its own that can be killed and started again. */
export class FaultCloud implements AsyncDisposable {
  readonly ports: { readonly cloudHub: number; readonly https: number; readonly api: number };
  readonly #dir: string;
  readonly #configFile: string;
  #api: TestProcess | undefined;
  #cloudCore: TestProcess | undefined;
  #kube: KubeClient | undefined;

  private constructor(dir: string, ports: FaultCloud["ports"]) {
    this.#dir = dir;
    this.ports = ports;
    this.#configFile = join(dir, "cloudcore.yaml");
  }

  /** @param addresses under which the edge dials. */
  static async start(dir: string, addresses: readonly string[]): Promise<FaultCloud> {
    await using scope = new AsyncDisposableStack();
    const ports = { cloudHub: await freePort(), https: await freePort(), api: await freePort() };
    const cloud = scope.use(new FaultCloud(dir, ports));
    cloud.#writeConfig(addresses);
    await cloud.startApiServer();
    await cloud.startCloudCore();
    await cloud.token();
    scope.move();
    return cloud;
  }

  get kube(): KubeClient {
    if (this.#kube === undefined) throw new Error("the API server was not started");
    return this.#kube;
  }

  get cloudCoreRuns(): boolean {
    return this.#cloudCore?.running === true;
  }

  get cloudCorePid(): number | undefined {
    return this.#cloudCore?.pid;
  }

  get #kubeconfig(): string {
    return join(this.#dir, "admin.kubeconfig");
  }

  #writeConfig(addresses: readonly string[]): void {
    const pki = join(this.#dir, "pki");
    const config = {
      apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
      kind: "CloudCore",
      commonConfig: { monitorServer: { bindAddress: "127.0.0.1:0" } },
      kubeAPIConfig: { kubeConfig: this.#kubeconfig },
      modules: {
        cloudHub: {
          advertiseAddress: addresses,
          dnsNames: ["localhost"],
          tlsCAFile: join(pki, "rootCA.crt"),
          tlsCAKeyFile: join(pki, "rootCA.key"),
          tlsCertFile: join(pki, "server.crt"),
          tlsPrivateKeyFile: join(pki, "server.key"),
          websocket: { address: "127.0.0.1", port: this.ports.cloudHub },
          https: { address: "127.0.0.1", port: this.ports.https },
          unixsocket: { enable: false },
        },
        cloudStream: { enable: false },
        iptablesManager: { enable: false },
      },
    };
    writeFileSync(this.#configFile, JSON.stringify(config));
  }

  async startApiServer(): Promise<void> {
    const [command = "", ...program] = programCommand("kedge");
    const args = ["apiserver", "--state-dir", this.#dir, "--api-port", String(this.ports.api)];
    const api = TestProcess.start("apiserver", command, [...program, ...args], join(this.#dir, "apiserver.log"));
    this.#api = api;
    await this.#until(api, async () => {
      this.#kube ??= connectKube(loadKubeconfig(this.#kubeconfig));
      await this.#kube.raw("GET", "/readyz", AbortSignal.timeout(1_000));
    });
  }

  async startCloudCore(): Promise<void> {
    const [command = "", ...program] = programCommand("cloudcore");
    const log = join(this.#dir, "cloudcore.log");
    this.#cloudCore = TestProcess.start("cloudcore", command, [...program, "--config", this.#configFile], log);
    await Promise.resolve();
  }

  /** Another process comes up: nothing tells us when, so we ask. */
  async #until(program: TestProcess, ready: () => Promise<void>): Promise<void> {
    const signal = AbortSignal.timeout(READY_MS);
    for (;;) {
      try {
        return await ready();
      } catch (error) {
        if (signal.aborted || !program.running)
          throw new Error(`a program did not become ready:\n${program.logTail()}`, { cause: error });
        await delay(20);
      }
    }
  }

  token(): Promise<string> {
    return waitForObject(this.kube, SECRETS, { namespace: "kubeedge", name: "tokensecret" }, (secret) => {
      const data = secret?.data?.["tokendata"];
      return data === undefined ? undefined : Buffer.from(data, "base64").toString();
    });
  }

  /** The digest of what the records say that a node holds. */
  async recordedDigest(node: string): Promise<string> {
    const signal = AbortSignal.timeout(READY_MS);
    const lists = [
      await this.kube.list(OBJECT_SYNCS, {}, signal),
      await this.kube.list(CLUSTER_OBJECT_SYNCS, {}, signal),
    ];
    const held: HeldObject[] = [];
    for (const { metadata, spec, status } of lists.flatMap(({ items }) => items)) {
      const { name: record = "", namespace } = metadata ?? {};
      const type = spec?.objectKind?.toLowerCase() ?? "";
      if (!record.startsWith(`${node}.`) || !(DIGEST_TYPES as readonly string[]).includes(type)) continue;
      held.push({
        type,
        ...(namespace !== undefined && { namespace }),
        name: spec?.objectName ?? "",
        uid: record.slice(node.length + 1),
        version: status?.objectResourceVersion ?? "",
      });
    }
    return digestRoot(digestOf(held));
  }

  async killCloudCore(): Promise<void> {
    await this.#cloudCore?.kill();
  }

  async killApiServer(): Promise<void> {
    await this.#api?.kill();
  }

  logTail(): string {
    return this.#cloudCore?.logTail() ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cloudCore?.[Symbol.asyncDispose]();
    await this.#kube?.[Symbol.asyncDispose]();
    await this.#api?.[Symbol.asyncDispose]();
  }
}
