import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerState } from "@kedge/cri";
import type { Deployment, Pod, PodSpec } from "@kedge/kube";
import { PODS } from "@kedge/kube";
import { TEST_IMAGE, TestKubernetes } from "@kedge/testing";
import {
  type StartCloud,
  startEmbeddedCloud,
  startKubernetesCloud,
  type TestCloud,
  waitForNode,
} from "./test-cloud.ts";
import { type EdgeNodeOptions, TestEdgeNode } from "./test-edge-node.ts";
import { waitForObject } from "./wait-for-object.ts";

export const NAMESPACE = "default";

/** The two control planes on which every scenario runs, and why one cannot run here. */
export const CONTROL_PLANES: readonly { name: string; start: StartCloud; skip: string | false }[] = [
  { name: "embedded control plane", start: startEmbeddedCloud, skip: TestEdgeNode.missing() },
  {
    name: "real Kubernetes",
    start: startKubernetesCloud,
    skip: TestEdgeNode.missing() || TestKubernetes.missing(),
  },
];

/** A cloud and a node that has joined it. */
export class TestBed implements AsyncDisposable {
  readonly cloud: TestCloud;
  readonly node: TestEdgeNode;
  readonly #scope: AsyncDisposableStack;

  private constructor(cloud: TestCloud, node: TestEdgeNode, scope: AsyncDisposableStack) {
    this.cloud = cloud;
    this.node = node;
    this.#scope = scope;
  }

  static async start(
    startCloud: StartCloud,
    nodeName: string,
    { readyWaitMs, ...options }: Omit<EdgeNodeOptions, "name" | "netns"> & { readonly readyWaitMs?: number } = {},
  ): Promise<TestBed> {
    await using scope = new AsyncDisposableStack();
    const dir = mkdtempSync(join(tmpdir(), "kedge-e2e-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    const cloud = scope.use(await startCloud(dir, "127.0.0.1", nodeName));
    const node = scope.use(await TestEdgeNode.join(cloud, { ...options, name: nodeName }));
    try {
      await waitForNode(cloud.kube, nodeName, "True", readyWaitMs);
    } catch (error) {
      throw new Error(`the node did not become Ready\ncloud: ${cloud.logTail()}\nedge: ${node.logTail()}`, {
        cause: error,
      });
    }
    return new TestBed(cloud, node, scope.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }

  /** Runs a command in a pod's container. @returns what it printed. @throws when it exits with anything but 0 */
  async exec(pod: Pod, container: string, command: string[], timeoutSeconds = 30): Promise<string> {
    const { runtime } = this.node.containerd.client;
    const signal = AbortSignal.timeout((timeoutSeconds + 5) * 1000);
    const labels = { "io.kubernetes.pod.uid": pod.metadata?.uid ?? "", "io.kubernetes.container.name": container };
    const found = (await runtime.listContainers(labels, signal)).find(
      ({ state }) => state === ContainerState.CONTAINER_RUNNING,
    );
    if (found === undefined) throw new Error(`no container ${container} of pod ${pod.metadata?.name ?? ""}`);
    const { stdout, stderr, exitCode } = await runtime.execSync(found.id, command, timeoutSeconds, signal);
    if (exitCode !== 0)
      throw new Error(`${command.join(" ")} exited with ${exitCode}: ${Buffer.from(stderr).toString()}`);
    return Buffer.from(stdout).toString();
  }

  /** Waits inside the container until a file has this content: the container's own kernel tells, not our clock. */
  async fileBecomes(pod: Pod, container: string, file: string, content: string, timeoutSeconds: number): Promise<void> {
    const script = `until [ "$(cat ${file} 2>/dev/null)" = "${content}" ]; do sleep 0.05; done`;
    await this.exec(pod, container, ["sh", "-c", script], timeoutSeconds);
  }

  /** Ids of the running containers of these pods, as containerd knows them. */
  async containerIds(labels: Record<string, string> = {}): Promise<string[]> {
    const containers = await this.node.containerd.client.runtime.listContainers(labels, AbortSignal.timeout(10_000));
    return containers
      .filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
      .map(({ id }) => id)
      .toSorted();
  }

  /** Resolves with the pod once it is Ready. */
  podReady(name: string, timeoutMs?: number): Promise<Pod> {
    return waitForObject(this.cloud.kube, PODS, { namespace: NAMESPACE, name }, readyPod, timeoutMs);
  }
}

export function readyPod(pod: Pod | undefined): Pod | undefined {
  const ready = pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
  return ready === true && pod?.metadata?.deletionTimestamp === undefined ? pod : undefined;
}

/** A pod that sleeps for ever and ends at once when told. */
export function sleeper(name: string, node: string, spec: Partial<PodSpec> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NAMESPACE },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      containers: [{ name: "main", image: TEST_IMAGE, imagePullPolicy: "Never", command: SLEEP }],
      ...spec,
    },
  };
}

export const SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"];

export function deployment(name: string, replicas: number, node: string, spec: Partial<PodSpec> = {}): Deployment {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: NAMESPACE },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          nodeSelector: { "kubernetes.io/hostname": node },
          terminationGracePeriodSeconds: 1,
          automountServiceAccountToken: false,
          containers: [{ name: "main", image: TEST_IMAGE, imagePullPolicy: "Never", command: SLEEP }],
          ...spec,
        },
      },
    },
  };
}
