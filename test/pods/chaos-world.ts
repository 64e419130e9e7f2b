import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ContainerState } from "@kedge/cri";
import { CONFIG_MAPS, type Pod, PODS } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { startEmbeddedCloud, type TestCloud, waitForNode } from "../e2e/test-cloud.ts";
import { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { FaultLink } from "../faults/fault-link.ts";
import { signalContainer } from "./container-processes.ts";
import type { ChaosStep } from "./chaos-plan.ts";
import { kedgeTarget } from "./kedge-target.ts";
import { nothingLeft } from "./left-behind.ts";
import type { PodTemplate } from "./pod-case.ts";
import { KUBELET_SETTINGS, type PodTarget } from "./pod-target.ts";
import { container, lasting, once, podOf, SERVE } from "./pods.ts";

const NODE = "edge-chaos";
const NAMESPACE = "default";
/** More would only be slow. */
const PODS_MAX = 10;
const SETTLED_MS = 180_000;
const POLL_MS = 200;
const TRIES_MAX = 3;

/** What becomes of a pod that nobody disturbs. */
type Fate = "runs" | "succeeds" | "fails";

const V = [{ name: "v", mountPath: "/v" }];
const KINDS: readonly { readonly fate: Fate; readonly pod: () => PodTemplate }[] = [
  { fate: "runs", pod: () => lasting() },
  { fate: "runs", pod: () => podOf([{ script: SERVE }, { name: "other", script: SERVE }]) },
  {
    fate: "runs",
    pod: () =>
      lasting(
        { volumeMounts: [...V, { name: "settings", mountPath: "/settings" }] },
        {
          volumes: [
            { name: "v", emptyDir: { medium: "Memory" } },
            { name: "settings", configMap: { name: "settings" } },
          ],
        },
      ),
  },
  {
    fate: "runs",
    pod: () =>
      podOf([{ script: SERVE, resources: { limits: { memory: "64Mi", cpu: "100m" } } }], {
        initContainers: [container({ name: "first", script: "sleep 1" })],
      }),
  },
  { fate: "runs", pod: () => podOf([{ script: "trap '' TERM; while :; do sleep 1; done" }]) },
  { fate: "succeeds", pod: () => once({ script: "sleep 1" }) },
  { fate: "fails", pod: () => once({ script: "sleep 1; exit 3" }) },
];

interface Expected {
  readonly uid: string;
  readonly fate: Fate;
  /** A container of it was killed, so one that should have ended well may not have. */
  disturbed: boolean;
}

/** A cloud, a node behind a link that can be cut, and what its pods should come to. */
export class ChaosWorld implements AsyncDisposable {
  readonly cloud: TestCloud;
  readonly node: TestEdgeNode;
  readonly target: PodTarget;
  readonly #link: FaultLink;
  readonly #scope: AsyncDisposableStack;
  readonly #pods = new Map<string, Expected>();
  #created = 0;
  #cutFor = 0;

  private constructor(cloud: TestCloud, node: TestEdgeNode, link: FaultLink, scope: AsyncDisposableStack) {
    this.cloud = cloud;
    this.node = node;
    this.#link = link;
    this.#scope = scope;
    this.target = kedgeTarget(cloud, node, () => scope.disposeAsync());
  }

  static async start(): Promise<ChaosWorld> {
    await using scope = new AsyncDisposableStack();
    const dir = mkdtempSync(join(tmpdir(), "kedge-chaos-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    const cloud = scope.use(await startEmbeddedCloud(dir, "127.0.0.1"));
    const link = scope.use(await FaultLink.start(cloud.ports.cloudHub, "127.0.0.1"));
    const behind = {
      address: cloud.address,
      ports: { ...cloud.ports, cloudHub: link.port },
      token: () => cloud.token(),
    };
    const node = scope.use(await TestEdgeNode.join(behind, { name: NODE, kubelet: KUBELET_SETTINGS }));
    await waitForNode(cloud.kube, NODE, "True").catch((error: unknown) => {
      throw new Error(`the node did not become Ready\n${cloud.logTail()}\n${node.logTail()}`, { cause: error });
    });
    const settings = { metadata: { name: "settings", namespace: NAMESPACE }, data: { a: "1" } };
    await cloud.kube.create(CONFIG_MAPS, settings, signal());
    return new ChaosWorld(cloud, node, link, scope.move());
  }

  async play(step: ChaosStep): Promise<void> {
    await this.#act(step);
    if (this.#cutFor > 0 && --this.#cutFor === 0) this.#link.mend();
    await delay(step.pauseMs); // part of the plan: the next operation meets the node half way
  }

  async #act({ operation, choice, lastsSteps }: ChaosStep): Promise<void> {
    switch (operation) {
      case "create":
        return this.#pods.size < PODS_MAX ? this.#create(choice) : this.#delete(choice, undefined);
      case "delete":
        return this.#delete(choice, undefined);
      case "force delete":
        return this.#delete(choice, 0);
      case "kill a container":
        return this.#kill(choice);
      case "restart the agent":
        return this.target.restartAgent();
      case "restart containerd":
        await this.node.containerd.stopDaemon();
        return this.node.containerd.startDaemon();
      case "cut the link":
        this.#link.sever();
        this.#cutFor = lastsSteps + 1; // this step is over in a moment
    }
  }

  async #create(choice: number): Promise<void> {
    const kind = KINDS[Math.floor(choice * KINDS.length)] ?? lastOf(KINDS);
    const { spec } = kind.pod();
    const name = `pod-${++this.#created}`;
    const pod: Pod = { metadata: { name, namespace: NAMESPACE }, spec: { nodeName: NODE, ...spec } };
    const { metadata } = await this.cloud.kube.create(PODS, pod, signal());
    this.#pods.set(name, { uid: metadata?.uid ?? "", fate: kind.fate, disturbed: false });
  }

  async #delete(choice: number, gracePeriodSeconds: number | undefined): Promise<void> {
    const name = this.#pick(choice);
    if (name === undefined) return;
    this.#pods.delete(name);
    const options = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
    await this.cloud.kube.delete(PODS, { namespace: NAMESPACE, name }, signal(), options);
  }

  #pick(choice: number): string | undefined {
    return [...this.#pods.keys()][Math.floor(choice * this.#pods.size)];
  }

  async #kill(choice: number): Promise<void> {
    const containers = await this.#running();
    const chosen = containers[Math.floor(choice * containers.length)];
    if (chosen === undefined) return;
    for (const expected of this.#pods.values()) if (expected.uid === chosen.uid) expected.disturbed = true;
    await signalContainer(this.target, chosen.uid, chosen.id, "SIGKILL");
  }

  async #running(): Promise<{ id: string; uid: string; name: string }[]> {
    for (let tries = 1; ; tries += 1)
      try {
        const containers = await this.node.containerd.client.runtime.listContainers({}, signal());
        return containers
          .filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
          .map(({ id, labels }) => ({
            id,
            uid: labels["io.kubernetes.pod.uid"] ?? "",
            name: labels["io.kubernetes.container.name"] ?? "",
          }))
          .toSorted((one, other) => one.id.localeCompare(other.id));
      } catch (error) {
        if (tries === TRIES_MAX) throw error; // containerd has just been started again
      }
  }

  /** Resolves when the API shows what should have come of each pod, and the runtime has just that. @throws with what differs. */
  async settle(): Promise<void> {
    this.#link.mend();
    const late = performance.now() + SETTLED_MS;
    for (;;) {
      const differing = await this.#differing();
      if (differing.length === 0) break;
      if (performance.now() > late) throw new Error(`not settled: ${differing.join("; ")}\n${this.target.logTail()}`);
      await delay(POLL_MS); // both sides change, and only one of them tells
    }
    await nothingLeft(this.target, new Set([...this.#pods.values()].map(({ uid }) => uid)), SETTLED_MS);
  }

  async #differing(): Promise<string[]> {
    const { items } = await this.cloud.kube.list(PODS, { namespace: NAMESPACE }, signal());
    const running = await this.#running();
    const differing: string[] = [];
    for (const pod of items)
      if (!this.#pods.has(pod.metadata?.name ?? "")) differing.push(`${pod.metadata?.name} is there`);
    for (const [name, { uid, fate, disturbed }] of this.#pods) {
      const pod = items.find(({ metadata }) => metadata?.uid === uid);
      const phase = pod?.status?.phase ?? "absent";
      const phases =
        fate === "runs" ? ["Running"] : fate === "succeeds" && !disturbed ? ["Succeeded"] : ["Succeeded", "Failed"];
      if (!phases.includes(phase)) differing.push(`${name} is ${phase}, not ${phases.join(" or ")}`);
      const names = running.filter((each) => each.uid === uid).map((each) => each.name);
      const wanted = fate === "runs" ? (pod?.spec?.containers ?? []).map((each) => each.name) : [];
      if (names.toSorted().join() !== wanted.toSorted().join())
        differing.push(`${name} has containers [${names.join()}], not [${wanted.join()}]`);
      const ready = pod?.status?.conditions?.find(({ type }) => type === "Ready")?.status;
      if (ready !== (fate === "runs" ? "True" : "False")) differing.push(`${name} has Ready ${ready}`);
    }
    return differing;
  }

  /** Resolves when nothing is left of any pod. */
  async clear(): Promise<void> {
    for (const name of this.#pods.keys())
      await this.cloud.kube.delete(PODS, { namespace: NAMESPACE, name }, signal()).catch((error: unknown) => {
        if (!hasCode(error, "NotFound")) throw error;
      });
    this.#pods.clear();
    await this.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

const signal = (): AbortSignal => AbortSignal.timeout(30_000);

function lastOf<T>(list: readonly T[]): T {
  const last = list.at(-1);
  if (last === undefined) throw new Error("an empty list");
  return last;
}
