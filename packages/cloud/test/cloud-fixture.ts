import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { loadCloudCoreConfig } from "@kedge/api";
import { type Pod, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Logger, silentLogger, systemClock } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { type CloudCore, startCloudCore } from "../src/cloudcore.ts";

const crds = new URL("../../../manifests/crds/", import.meta.url).pathname;

/** A real Kubernetes API with our CRDs. */
export async function startKubernetes(): Promise<TestKubernetes> {
  const kubernetes = await TestKubernetes.start();
  try {
    const files = readdirSync(crds).flatMap((file) => ["-f", joinPath(crds, file)]);
    await kubernetes.kubectl("apply", ...files);
    await kubernetes.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s");
    return kubernetes;
  } catch (error) {
    await kubernetes[Symbol.asyncDispose]();
    throw error;
  }
}

export interface CloudFixture extends AsyncDisposable {
  readonly cloud: CloudCore;
  readonly kube: KubeClient;
  readonly signal: AbortSignal;
  token(): Promise<string>;
}

/** A CloudCore on free ports, with its own client. */
export async function startCloud(
  kubernetes: TestKubernetes,
  hub: Record<string, unknown> = {},
  logger: Logger = silentLogger,
  throughWhich: (kube: KubeClient) => KubeClient = (kube) => kube,
  stream: Record<string, unknown> = {},
  modules: Record<string, unknown> = {},
): Promise<CloudFixture> {
  await using scope = new AsyncDisposableStack();
  const dir = await mkdtemp(joinPath(tmpdir(), "kedge-cloud-"));
  scope.defer(() => rm(dir, { recursive: true, force: true }));
  const kube = scope.use(kubernetes.connect());
  const address = "127.0.0.1";
  const { config } = loadCloudCoreConfig(
    {
      commonConfig: { monitorServer: { bindAddress: `${address}:0` } },
      modules: {
        cloudHub: {
          advertiseAddress: [address],
          dnsNames: ["localhost"],
          tlsCAFile: joinPath(dir, "ca.crt"),
          tlsCAKeyFile: joinPath(dir, "ca.key"),
          tlsCertFile: joinPath(dir, "server.crt"),
          tlsPrivateKeyFile: joinPath(dir, "server.key"),
          websocket: { address, port: 0 },
          https: { address, port: 0 },
          ...hub,
        },
        cloudStream: { enable: false, address, tunnelPort: 0, streamPort: 0, ...stream },
        ...modules,
      },
    },
    { hostname: "cloud", localIP: address },
  );
  const life = new AbortController();
  scope.defer(() => life.abort());
  const cloud = scope.use(
    await startCloudCore(config, { kube: throughWhich(kube), logger, clock: systemClock }, life.signal),
  );
  const running = scope.move();
  return {
    cloud,
    kube,
    signal: life.signal,
    async token() {
      const secret = await kube.get(SECRETS, { namespace: "kubeedge", name: "tokensecret" }, life.signal);
      return Buffer.from(secret.data?.["tokendata"] ?? "", "base64").toString();
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** A client whose calls fail as long as `fails` says so. */
export function failingKube(kube: KubeClient, fails: (method: string, resource: string) => boolean): KubeClient {
  return new Proxy(kube, {
    get(target, method) {
      const value: unknown = Reflect.get(target, method);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]): unknown => {
        const { resource = "" } = (parameters[0] ?? {}) as { resource?: string };
        if (fails(String(method), resource)) return Promise.reject(new Error("the API server is away"));
        return Reflect.apply(value, target, parameters) as unknown;
      };
    },
  });
}

/** A pod that is bound to a node already: no scheduler is needed. */
export function podOn(node: string, name: string, changes: Partial<NonNullable<Pod["spec"]>> = {}): Pod {
  return {
    metadata: { name, namespace: "default" },
    spec: { nodeName: node, containers: [{ name: "main", image: "busybox" }], ...changes },
  };
}
