import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCloudCoreConfig, loadEdgeCoreConfig } from "@kedge/api";
import { type CloudCore, startCloudCore } from "@kedge/cloud";
import { type EdgeBus, type EdgeMessages, type EdgeNotices, startEdgeCore } from "@kedge/edge";
import { type Node, type Pod, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { createLogger, deferred, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { freePort, TestKubernetes } from "@kedge/testing";

const ADDRESS = "127.0.0.1";
const crds = join(import.meta.dirname, "../../manifests/crds");
const logger =
  process.env["KEDGE_TEST_LOG"] === undefined ? silentLogger : createLogger({ test: "channel" }, { level: "debug" });

/** A real Kubernetes API, our cloudcore on it, and our edgecore without the parts that need a container runtime. */
export class ChannelBed implements AsyncDisposable {
  readonly nodeName = "edge-1";
  readonly signal = AbortSignal.timeout(110_000);
  readonly kubernetes: TestKubernetes;
  readonly kube: KubeClient;
  readonly #dir = mkdtempSync(join(tmpdir(), "kedge-channel-"));
  readonly #ports: { readonly websocket: number; readonly https: number };
  bus: EdgeBus = new MessageBus<EdgeMessages, EdgeNotices>();
  connected = deferred();
  disconnected = deferred();
  #cloud: CloudCore | undefined;
  #edge: AsyncDisposableStack | undefined;

  private constructor(kubernetes: TestKubernetes, ports: { websocket: number; https: number }) {
    this.kubernetes = kubernetes;
    this.kube = kubernetes.connect();
    this.#ports = ports;
  }

  static async start(): Promise<ChannelBed> {
    await using scope = new AsyncDisposableStack();
    const ports = { websocket: await freePort(), https: await freePort() };
    const bed = scope.use(new ChannelBed(await TestKubernetes.start(), ports));
    await bed.kubernetes.kubectl("apply", ...readdirSync(crds).flatMap((file) => ["-f", join(crds, file)]));
    await bed.kubernetes.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s");
    await bed.startCloud();
    await bed.startEdge();
    await bed.connected.promise;
    scope.move();
    return bed;
  }

  async startCloud(): Promise<void> {
    const at = (name: string) => join(this.#dir, "cloud", name);
    const { config } = loadCloudCoreConfig(
      {
        commonConfig: { monitorServer: { bindAddress: `${ADDRESS}:0` } },
        modules: {
          cloudHub: {
            advertiseAddress: [ADDRESS],
            tlsCAFile: at("ca.crt"),
            tlsCAKeyFile: at("ca.key"),
            tlsCertFile: at("server.crt"),
            tlsPrivateKeyFile: at("server.key"),
            websocket: { address: ADDRESS, port: this.#ports.websocket },
            https: { address: ADDRESS, port: this.#ports.https },
          },
          cloudStream: { enable: false },
        },
      },
      { hostname: "cloud", localIP: ADDRESS },
    );
    this.#cloud = await startCloudCore(config, { kube: this.kube, logger, clock: systemClock }, this.signal);
  }

  async stopCloud(): Promise<void> {
    await this.#cloud?.[Symbol.asyncDispose]();
    this.#cloud = undefined;
  }

  async startEdge(): Promise<void> {
    const secret = await this.kube.get(SECRETS, { namespace: "kubeedge", name: "tokensecret" }, this.signal);
    const at = (name: string) => join(this.#dir, "edge", name);
    const { config } = loadEdgeCoreConfig(
      {
        database: { dataSource: at("edgecore.db") },
        modules: {
          edged: { enable: false, hostnameOverride: this.nodeName },
          edgeHub: {
            tlsCaFile: at("ca.crt"),
            tlsCertFile: at("server.crt"),
            tlsPrivateKeyFile: at("server.key"),
            httpServer: `https://${ADDRESS}:${this.#ports.https}`,
            websocket: { server: `${ADDRESS}:${this.#ports.websocket}` },
            token: Buffer.from(secret.data?.["tokendata"] ?? "", "base64").toString(),
          },
          eventBus: { enable: false },
        },
      },
      { hostname: this.nodeName, localIP: ADDRESS },
    );
    this.bus = new MessageBus<EdgeMessages, EdgeNotices>();
    this.connected = deferred();
    this.bus.listen("hub/connection", ({ connected }) => {
      if (connected) this.disconnected = deferred();
      else this.connected = deferred();
      (connected ? this.connected : this.disconnected).resolve();
    });
    const deps = { logger, agentVersion: "0.0.0", onTokenUsed: () => undefined, bus: this.bus };
    this.#edge = await startEdgeCore(config, deps, this.signal);
  }

  async stopEdge(): Promise<void> {
    await this.#edge?.disposeAsync();
    this.#edge = undefined;
  }

  /** What edged does first. */
  register(): Promise<Node> {
    const labels = { "node-role.kubernetes.io/edge": "", "kubernetes.io/hostname": this.nodeName };
    return this.bus.request("meta/registerNode", { metadata: { name: this.nodeName, labels }, spec: {} }, this.signal);
  }

  pod(name: string, changes: Partial<NonNullable<Pod["spec"]>> = {}): Pod {
    return {
      metadata: { namespace: "default", name },
      spec: { nodeName: this.nodeName, containers: [{ name: "main", image: "busybox" }], ...changes },
    };
  }

  /** Resolves with what `find` returns as soon as that is something; looks after each notice of MetaManager. */
  async until<T>(find: () => Promise<T | undefined | false>): Promise<T> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      using _pods = this.bus.listen("meta/podChanged", () => resolve());
      using _others = this.bus.listen("meta/objectChanged", () => resolve());
      const found = await find();
      if (found !== undefined && found !== false) return found;
      await Promise.race([promise, new Promise((_, reject) => this.signal.addEventListener("abort", reject))]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopEdge();
    await this.stopCloud();
    await this.kube[Symbol.asyncDispose]();
    await this.kubernetes[Symbol.asyncDispose]();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
