import { createHash } from "node:crypto";
import { findCondition, type Node, NODES, type Pod, PODS } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { Component, hasCode } from "@kedge/runtime";

export interface TestKubeletOptions {
  readonly labels?: Record<string, string>;
  readonly taints?: NonNullable<Node["spec"]>["taints"];
  /** Default: 4 CPUs, 8 GiB, 110 pods. */
  readonly allocatable?: Record<string, string>;
  /** What becomes of a pod bound to this node. Default: `ready`. */
  readonly behave?: (pod: Pod) => "ready" | "running" | "pending" | "succeeded" | "failed";
}

/**
 * A node without a machine: registers itself, and says of the pods bound to it that they run, so that schedulers and
 * rollouts can be tested. Sends no heartbeat.
 */
export class TestKubelet extends Component {
  readonly nodeName: string;
  readonly #kube: KubeClient;
  readonly #pods: Informer<Pod>;
  readonly #behave: NonNullable<TestKubeletOptions["behave"]>;
  readonly #busy = new Set<Promise<void>>();

  private constructor(kube: KubeClient, nodeName: string, options: TestKubeletOptions) {
    super();
    this.#kube = kube;
    this.nodeName = nodeName;
    this.#behave = options.behave ?? (() => "ready");
    this.#pods = new Informer(kube, PODS, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.#pods.onChange((_, pod) => {
      if (pod === undefined) return;
      const work = this.#sync(pod).finally(() => this.#busy.delete(work));
      this.#busy.add(work);
    });
  }

  static async start(kube: KubeClient, nodeName: string, options: TestKubeletOptions = {}): Promise<TestKubelet> {
    const signal = AbortSignal.timeout(10_000);
    const allocatable = { cpu: "4", memory: "8Gi", pods: "110", ...options.allocatable };
    await kube.create(
      NODES,
      {
        metadata: { name: nodeName, labels: { "kubernetes.io/hostname": nodeName, ...options.labels } },
        ...(options.taints === undefined ? {} : { spec: { taints: options.taints } }),
      },
      signal,
    );
    await setNodeReady(kube, nodeName, "True", signal, allocatable);
    return new TestKubelet(kube, nodeName, options);
  }

  async #sync(pod: Pod): Promise<void> {
    const { namespace, name = "", deletionTimestamp } = pod.metadata ?? {};
    try {
      if (deletionTimestamp !== undefined) {
        await this.#kube.delete(PODS, { namespace, name }, this.signal, { gracePeriodSeconds: 0 });
        return;
      }
      const behaviour = this.#behave(pod);
      if (behaviour === "pending") return;
      const status = statusFor(pod, behaviour, pod.status?.podIP ?? addressFor(pod));
      if (pod.status?.phase === status.phase && conditionOf(pod) === conditionOf({ status })) return;
      const patch = { type: "strategic" as const, body: { metadata: { uid: pod.metadata?.uid }, status } };
      await this.#kube.patch(PODS, { namespace, name }, patch, this.signal, { subresource: "status" });
    } catch (error) {
      if (!this.signal.aborted && !hasCode(error, "NotFound") && !hasCode(error, "Conflict")) throw error;
    }
  }

  protected override async stop(): Promise<void> {
    await this.#pods[Symbol.asyncDispose]();
    await Promise.allSettled(this.#busy);
  }
}

/** Writes a node's Ready condition as its kubelet would, with a heartbeat of now. */
export async function setNodeReady(
  kube: KubeClient,
  nodeName: string,
  status: "True" | "False" | "Unknown",
  signal: AbortSignal,
  allocatable?: Record<string, string>,
): Promise<void> {
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const reason = status === "True" ? "KubeletReady" : "KubeletNotReady";
  const ready = { type: "Ready", status, reason, lastHeartbeatTime: now, lastTransitionTime: now };
  const amounts = allocatable === undefined ? {} : { allocatable, capacity: allocatable };
  const body = { status: { conditions: [ready], ...amounts } };
  await kube.patch(NODES, { name: nodeName }, { type: "strategic", body }, signal, { subresource: "status" });
}

/** The same for the same pod, and most likely another for another, on whichever node. */
function addressFor(pod: Pod): string {
  const [a = 0, b = 0, c = 0] = createHash("sha256")
    .update(pod.metadata?.uid ?? "")
    .digest();
  return `10.${a}.${b}.${c}`;
}

type Status = NonNullable<Pod["status"]>;

function statusFor(pod: Pod, behaviour: string, podIP: string): Status {
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const ready = behaviour === "ready" ? "True" : "False";
  const phase = behaviour === "succeeded" ? "Succeeded" : behaviour === "failed" ? "Failed" : "Running";
  const condition = (type: string, status: string) => ({ type, status, lastTransitionTime: now });
  return {
    phase,
    podIP,
    podIPs: [{ ip: podIP }],
    hostIP: "127.0.0.1",
    startTime: pod.status?.startTime ?? now,
    conditions: [condition("Initialized", "True"), condition("ContainersReady", ready), condition("Ready", ready)],
  };
}

function conditionOf(pod: Pod): string | undefined {
  return findCondition(pod.status?.conditions, "Ready")?.status;
}
