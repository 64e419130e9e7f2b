import type { EventRecorder, KubeClient } from "@kedge/kube-client";
import type { Clock, Logger } from "@kedge/runtime";
import type { SharedInformers } from "./shared-informers.ts";
import type { LocalPathConfig } from "./storage/local-path.ts";

/** What the controllers need from whoever starts them. */
export interface ControllerDeps {
  readonly kube: KubeClient;
  readonly logger: Logger;
  readonly clock: Clock;
  /** PEM of the authority that signed the API server's certificate; goes into every namespace's `kube-root-ca.crt`. */
  readonly rootCaPem: string;
  readonly timings?: Partial<ControllerTimings> | undefined;
  /** Where claims get directories of this machine; absent: no claim gets a volume that is not there. */
  readonly localPath?: LocalPathConfig | undefined;
}

/** Waits that decide how fast the control plane notices that something is gone; tests and small fleets shorten them. */
export interface ControllerTimings {
  /** A node whose lease and status were silent this long is `Unknown`. */
  readonly nodeGraceMs: number;
  /** A node that never reported gets this long. */
  readonly nodeStartupGraceMs: number;
  /** How often nodes are looked at. */
  readonly nodeMonitorMs: number;
  /** A node must be gone this long before its pods are removed. */
  readonly nodeGoneMs: number;
  /** How often orphaned pods are looked for. */
  readonly podGcMs: number;
  /** How often the garbage collector asks which resources there are. */
  readonly discoveryMs: number;
}

export const CONTROLLER_TIMINGS: ControllerTimings = {
  nodeGraceMs: 40_000,
  nodeStartupGraceMs: 60_000,
  nodeMonitorMs: 5_000,
  nodeGoneMs: 40_000,
  podGcMs: 20_000,
  discoveryMs: 30_000,
};

/** What each controller gets. */
export interface ControllerContext {
  readonly kube: KubeClient;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timings: ControllerTimings;
  readonly informers: SharedInformers;
  readonly rootCaPem: string;
  readonly localPath: LocalPathConfig | undefined;
  /** Events under this component's name. */
  recorder(component: string): EventRecorder;
}
