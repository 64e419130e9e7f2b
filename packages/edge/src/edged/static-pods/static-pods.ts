import { join } from "node:path";
import { keyOf, type ObjectKey, type Pod } from "@kedge/kube";
import type { EdgeBus } from "../../edge-messages.ts";
import type { EdgedParts } from "../edged-parts.ts";
import { StateFile } from "../state-file.ts";
import { MirrorPods, mirrorKey } from "./mirror-pods.ts";
import { isCopyOf } from "./same-pod.ts";
import { mirroredHash } from "./static-pod-annotations.ts";
import { StaticPodFiles, type StaticPodState } from "./static-pod-files.ts";

export interface StaticPodsDeps extends Pick<EdgedParts, "config" | "clock" | "logger" | "node"> {
  readonly bus: EdgeBus;
  /** Whether a pod with this uid still has something here. */
  readonly runs: (uid: string) => boolean;
  /** What shall run under this name may be another one. */
  readonly onChanged: (key: ObjectKey) => void;
  readonly onMirror: (staticUid: string, mirror: Pod) => void;
}

/** What the last known pods are kept in, below the root directory. */
const STATE_FILE = "kedge_static_pods";

/** The node's own pods, from files: they run with the cloud or without, and the API shows copies of them. */
export class StaticPods {
  readonly #deps: StaticPodsDeps;
  readonly #files: StaticPodFiles | undefined;
  readonly #mirrors: MirrorPods;
  #pods = new Map<string, Pod>();

  constructor(deps: StaticPodsDeps) {
    this.#deps = deps;
    this.#mirrors = new MirrorPods(deps);
    const { config, clock, logger } = deps;
    if (config.staticPodPath !== "")
      this.#files = new StaticPodFiles(
        { path: config.staticPodPath, nodeName: config.nodeName, checkIntervalMs: config.fileCheckIntervalMs },
        {
          clock,
          logger,
          state: new StateFile<StaticPodState>(join(config.rootDirectory, STATE_FILE)),
          adopt: (pod) => this.#adopt(pod),
        },
      );
  }

  /** How it is with the files. */
  report(): { pods: number; problems: { path: string; message: string }[] } {
    return { pods: this.#pods.size, problems: (this.#files?.problems ?? []).map((problem) => ({ ...problem })) };
  }

  /** The static pod of this name, with the status that the API has of it. */
  get(key: ObjectKey): Pod | undefined {
    const pod = this.#pods.get(mirrorKey(key));
    if (pod === undefined) return undefined;
    const mirror = this.#mirrors.get(mirrorKey(key));
    const known = mirror !== undefined && mirroredHash(mirror) === pod.metadata?.uid ? mirror.status : undefined;
    return known === undefined ? pod : { ...pod, status: known };
  }

  keys(): ObjectKey[] {
    return [...this.#pods.values()].map(({ metadata = {} }) => ({
      namespace: metadata.namespace,
      name: metadata.name ?? "",
    }));
  }

  /** What the store has of a mirror pod. */
  observe(key: ObjectKey, mirror: Pod | undefined): void {
    this.#mirrors.observe(mirrorKey(key), mirror);
  }

  /** The API's copies, for who tells of what they show. */
  get mirrors(): Pick<MirrorPods, "of" | "gone"> {
    return this.#mirrors;
  }

  /** A pod of this name has ended. */
  ended(key: ObjectKey): void {
    this.#mirrors.reconsider(mirrorKey(key));
  }

  retryNow(): void {
    this.#mirrors.retryNow();
  }

  /** Reads the files. To be called once the store's mirrors were observed: by them we know again what others began. */
  async read(): Promise<void> {
    const before = this.#pods;
    this.#pods = (await this.#files?.read()) ?? new Map<string, Pod>();
    this.#mirrors.want(this.#pods);
    for (const pod of [...before.values(), ...this.#pods.values()])
      if (before.get(keyOf(pod)) !== this.#pods.get(keyOf(pod))) {
        const { namespace, name = "" } = pod.metadata ?? {};
        this.#deps.onChanged({ namespace, name });
      }
  }

  /** Follows files and API until `signal` aborts, and rejects with its reason then. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#mirrors.run(signal), this.#files?.follow(() => this.read(), signal)]);
  }

  #adopt(pod: Pod): string | undefined {
    const mirror = this.#mirrors.get(keyOf(pod));
    return mirror !== undefined && isCopyOf(mirror, pod) ? mirroredHash(mirror) : undefined;
  }
}
