import type { CriClient } from "@kedge/cri";
import type { Node } from "@kedge/kube";
import type { Clock, Logger } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";
import type { EdgedConfig } from "./edged-config.ts";
import type { CpuManager } from "./cpus/cpu-manager.ts";
import type { DeviceManager } from "./devices/device-manager.ts";
import type { EventRecorder } from "./events/event-recorder.ts";
import type { ImageManager } from "./images/image-manager.ts";
import type { CgroupManager, PodsLimit } from "./resources/cgroup-manager.ts";
import type { Allocations } from "./resize/allocations.ts";
import type { RuntimeFeatures } from "./security/runtime-features.ts";
import type { UserNamespaces } from "./security/user-namespaces.ts";
import type { VolumeManager } from "./volumes/volume-manager.ts";

/** What pods must know of the node they run on. */
export interface NodeFacts {
  readonly name: string;
  readonly memoryCapacityBytes: number;
  /** Primary first. */
  hostIPs(): readonly string[];
  /** What the node gives to pods, by resource. */
  allocatable(): Readonly<Record<string, string>>;
  /** What all pods together may use, before eviction thresholds. */
  podsLimit(): PodsLimit;
  /** What the container runtime can do; `undefined`: not known yet. */
  runtimeFeatures?(): RuntimeFeatures | undefined;
  /** The node as the cluster has it; `undefined` when not known yet. */
  node(): Node | undefined;
}

/** The parts of Edged that work on pods together. */
export interface EdgedParts {
  readonly config: EdgedConfig;
  readonly cri: CriClient;
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: NodeFacts;
  readonly events: EventRecorder;
  readonly images: ImageManager;
  readonly volumes: VolumeManager;
  readonly userNamespaces: UserNamespaces;
  readonly devices: DeviceManager;
  readonly cpus: CpuManager;
  /** What each pod has of the node. */
  readonly allocations: Allocations;
  /** `undefined` when `cgroupsPerQOS` is off. */
  readonly cgroups: CgroupManager | undefined;
}
