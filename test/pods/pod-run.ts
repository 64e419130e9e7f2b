import { existsSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ContainerState, PodSandboxState } from "@kedge/cri";
import { type Event, NAMESPACES, type ObjectKey, type Pod, PODS, SERVICE_ACCOUNTS } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { signalContainer } from "./container-processes.ts";
import { CGROUPS, podCgroup, QOS_CLASSES, type QosClass } from "./pod-cgroups.ts";
import type { Fixtures, PodTemplate } from "./pod-case.ts";
import type { PodDigest } from "./pod-digest.ts";
import { type Expected, mismatch } from "./mismatch.ts";
import type { PodRecorder, RecordedPod } from "./pod-recorder.ts";
import type { PodTarget } from "./pod-target.ts";

const POLL_MS = 50;
const GONE_MS = 45_000;
/** A static pod's uid at the node; its mirror in the API has another. */
const STATIC_UID = "kubernetes.io/config.hash";

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** One pod of one case on one target. */
export class PodRun {
  readonly target: PodTarget;
  readonly fixtures: Fixtures;
  readonly namespace: string;
  /** Aborts at the case's deadline. */
  readonly signal: AbortSignal;
  readonly #recorder: PodRecorder;
  #pod: Pod | undefined;
  #file: string | undefined;
  readonly #beside: ObjectKey[] = [];

  constructor(target: PodTarget, recorder: PodRecorder, fixtures: Fixtures, namespace: string, signal: AbortSignal) {
    this.target = target;
    this.fixtures = fixtures;
    this.#recorder = recorder;
    this.namespace = namespace;
    this.signal = signal;
  }

  get pod(): Pod {
    if (this.#pod === undefined) throw new Error("the pod was not created");
    return this.#pod;
  }

  get key(): ObjectKey {
    return { namespace: this.namespace, name: this.pod.metadata?.name ?? "" };
  }

  get uid(): string {
    return this.pod.metadata?.uid ?? "";
  }

  /** By which the node knows it. */
  get nodeUid(): string {
    return this.pod.metadata?.annotations?.[STATIC_UID] ?? this.uid;
  }

  get recorded(): RecordedPod {
    return this.#recorder.of(this.uid);
  }

  get events(): Event[] {
    return this.#recorder.eventsOf(this.uid);
  }

  get scratch(): string {
    return this.fixtures.scratch;
  }

  async makeNamespace(): Promise<void> {
    const { kube } = this.target;
    await kube.create(NAMESPACES, { metadata: { name: this.namespace } }, this.signal);
    await waitForObject(kube, SERVICE_ACCOUNTS, { namespace: this.namespace, name: "default" }, Boolean);
  }

  async create(template: PodTemplate): Promise<void> {
    this.#pod = await this.target.kube.create(PODS, this.#inCluster(template), this.signal);
  }

  /** Another pod, which goes with the case. Resolves once it runs. */
  async createBeside(template: PodTemplate): Promise<void> {
    const { metadata } = await this.target.kube.create(PODS, this.#inCluster(template), this.signal);
    const { name = "", uid = "" } = metadata ?? {};
    this.#beside.push({ namespace: this.namespace, name });
    const running = () => this.#recorder.of(uid).object?.status?.phase === "Running" || undefined;
    await this.#recorder.until(running, () => `too late: ${name} does not run`, this.signal);
  }

  #inCluster({ metadata, spec }: PodTemplate): Pod {
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "pod", ...metadata, namespace: this.namespace },
      spec: { nodeName: this.target.nodeName, ...spec },
    };
  }

  /** As a static pod: a file at the node. Resolves once the API shows it. */
  async createFile({ metadata, spec }: PodTemplate): Promise<void> {
    const pod: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "pod", ...metadata, namespace: this.namespace },
      spec,
    };
    this.#file = join(this.target.manifests, `${this.namespace}.json`);
    await writeFile(this.#file, JSON.stringify(pod));
    await this.findMirror(pod.metadata?.name);
  }

  /** The object that shows a static pod, once it is there. */
  async findMirror(name = "pod"): Promise<void> {
    const key = { namespace: this.namespace, name: `${name}-${this.target.nodeName}` };
    this.#pod = await waitForObject(this.target.kube, PODS, key, (mirror) => mirror);
  }

  get file(): string {
    return this.#file ?? "";
  }

  /** Resolves when the pod is so. */
  becomes(expected: Expected<PodDigest>): Promise<void> {
    return this.until(() => {
      const digest = this.recorded.digests.at(-1);
      return digest === undefined ? "the API does not show it" : mismatch(digest, expected);
    });
  }

  /** Resolves when `problem` finds none; it is asked at each change of the pod or its events. */
  async until(problem: () => string | undefined): Promise<void> {
    let last: string | undefined;
    const look = () => ((last = problem()) === undefined ? true : undefined);
    await this.#recorder.until(look, () => `too late: ${last}`, this.signal);
  }

  /** Resolves when `problem` finds none; for what nothing tells of: files, cgroups, a container's output. */
  async eventually(problem: () => Promise<string | undefined>): Promise<void> {
    for (;;) {
      const found = await problem();
      if (found === undefined) return;
      if (this.signal.aborted) throw new Error(`too late: ${found}`);
      await delay(POLL_MS);
    }
  }

  async containerId(container: string): Promise<string> {
    const labels = { "io.kubernetes.pod.uid": this.nodeUid, "io.kubernetes.container.name": container };
    const found = (await this.target.containerd.client.runtime.listContainers(labels, this.signal)).find(
      ({ state }) => state === ContainerState.CONTAINER_RUNNING,
    );
    if (found === undefined) throw new Error(`container ${container} does not run`);
    return found.id;
  }

  async exec(container: string, command: string[]): Promise<ExecResult> {
    const id = await this.containerId(container);
    const { runtime } = this.target.containerd.client;
    const { stdout, stderr, exitCode } = await runtime.execSync(id, command, 30, this.signal);
    return { stdout: Buffer.from(stdout).toString(), stderr: Buffer.from(stderr).toString(), exitCode };
  }

  /** What a container wrote in its `attempt`th life (from 0). */
  async log(container: string, attempt = 0): Promise<string> {
    const folder = `${this.namespace}_${this.key.name}_${this.nodeUid}`;
    const file = join(this.target.podLogs, folder, container, `${attempt}.log`);
    const lines = await readFile(file, "utf8").catch(() => "");
    return lines
      .split("\n")
      .filter(Boolean)
      .map((line) => {
        const [, , kind, ...text] = line.split(" ");
        return text.join(" ") + (kind === "F" ? "\n" : "");
      })
      .join("");
  }

  cgroup(qos: QosClass): string {
    return podCgroup(this.target.cgroup, qos, this.nodeUid);
  }

  /** A value of a cgroup, such as `cpu`, `…/kubepods/burstable`, `cpu.shares`. */
  async cgroupValue(controller: string, cgroup: string, file: string): Promise<string> {
    return (await readFile(join(CGROUPS, controller, cgroup, file), "utf8")).trim();
  }

  async killContainer(container: string, signal: NodeJS.Signals): Promise<void> {
    const id = await this.containerId(container);
    const found = await signalContainer(this.target, this.nodeUid, id, signal);
    if (!found) throw new Error(`no process of container ${container}`);
  }

  async delete(graceSeconds?: number): Promise<void> {
    const options = graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds };
    await this.target.kube.delete(PODS, this.key, this.signal, options).catch(ignoreNotFound);
  }

  /** Resolves when the API has the pod no more. */
  async gone(signal = this.signal): Promise<void> {
    const look = () => (this.recorded.object === undefined && this.recorded.digests.length > 0 ? true : undefined);
    await this.#recorder.until(look, () => `too late: the pod is still there: ${this.story()}`, signal);
  }

  /** Resolves when the node has nothing of the pod any more. */
  async cleared(): Promise<void> {
    const { containerd, rootDirectory } = this.target;
    await this.eventually(async () => {
      const labels = { "io.kubernetes.pod.uid": this.nodeUid };
      // A kubelet keeps dead ones for a while.
      const sandboxes = await containerd.client.runtime.listPodSandboxes(labels, this.signal);
      if (sandboxes.some(({ state }) => state === PodSandboxState.SANDBOX_READY)) return "its sandbox is left";
      const folders = await readdir(join(rootDirectory, "pods")).catch((): string[] => []);
      if (folders.includes(this.nodeUid)) return "its folder is left";
      for (const qos of QOS_CLASSES)
        if (existsSync(join(CGROUPS, "memory", this.cgroup(qos)))) return "its cgroup is left";
      return undefined;
    });
  }

  /** Takes away what the case has made. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pod === undefined) return;
    const { kube } = this.target;
    const signal = AbortSignal.timeout(GONE_MS);
    for (const key of this.#beside) await kube.delete(PODS, key, signal).catch(ignoreNotFound);
    if (this.#file !== undefined) await rm(this.#file, { force: true });
    else await kube.delete(PODS, this.key, signal).catch(ignoreNotFound);
    await this.gone(signal);
  }

  /** For a failing case's message: what became of the pod, and what its node told of it. */
  story(): string {
    const digests = this.recorded.digests.map((digest) => JSON.stringify(digest));
    const shown = digests.length > 4 ? [...digests.slice(0, 2), "…", ...digests.slice(-2)] : digests;
    const events = this.events.map(
      ({ type, reason, message, count }) => `${type} ${reason} ×${count ?? 1}: ${message}`,
    );
    return [...shown, ...events].join("\n");
  }
}

function ignoreNotFound(error: unknown): void {
  if (!hasCode(error, "NotFound")) throw error;
}
