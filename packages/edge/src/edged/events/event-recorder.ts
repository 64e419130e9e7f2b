import type { Event, Pod } from "@kedge/kube";
import type { Clock, Logger } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { EventCorrelator } from "./event-correlator.ts";
import { EventQueue, type EventRate } from "./event-queue.ts";

const MESSAGE_CHARS_MAX = 1024;
const COMPONENT = "kubelet";
const NO_LIMIT: EventRate = { perSecond: 0, burst: 1 };

export interface EventRecorderConfig {
  /** `reportEvent` */
  readonly enabled: boolean;
  readonly nodeName: string;
  /** Absent: no limit but each object's own. */
  readonly rate?: EventRate;
}

export interface EventRecorderDeps {
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

type EventType = "Normal" | "Warning";

/** Tells the cluster's users what happens to pods and node here: in order, and never waited for. */
export class EventRecorder {
  readonly #config: EventRecorderConfig;
  readonly #logger: Logger;
  readonly #correlator: EventCorrelator;
  readonly #queue: EventQueue;

  constructor(config: EventRecorderConfig, deps: EventRecorderDeps, signal: AbortSignal) {
    this.#config = config;
    this.#logger = deps.logger;
    this.#correlator = new EventCorrelator(deps.clock);
    this.#queue = new EventQueue(config.rate ?? NO_LIMIT, deps, signal);
  }

  normal(pod: Pod, reason: string, message: string, container?: string): void {
    this.#ofPod(pod, "Normal", reason, message, container);
  }

  warn(pod: Pod, reason: string, message: string, container?: string): void {
    this.#ofPod(pod, "Warning", reason, message, container);
  }

  /** Something happens to the node itself. */
  ofNode(type: EventType, reason: string, message: string): void {
    const { nodeName: name } = this.#config;
    this.#logger.info({ reason }, message);
    // Kubernetes shows a node's events by this: its name stands for its uid.
    this.#record({ kind: "Node", apiVersion: "v1", name, uid: name }, "default", type, reason, message);
  }

  #ofPod(pod: Pod, type: EventType, reason: string, message: string, container: string | undefined): void {
    const { name = "", namespace = "", uid = "", resourceVersion } = pod.metadata ?? {};
    this.#logger.debug({ pod: name, container, reason }, message);
    const involved = {
      kind: "Pod",
      apiVersion: "v1",
      name,
      namespace,
      uid,
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(container !== undefined && { fieldPath: fieldPathOf(pod, container) }),
    };
    this.#record(involved, namespace, type, reason, message);
  }

  #record(
    involvedObject: Event["involvedObject"],
    namespace: string,
    type: EventType,
    reason: string,
    text: string,
  ): void {
    if (!this.#config.enabled) return;
    const message = text.length > MESSAGE_CHARS_MAX ? `${text.slice(0, MESSAGE_CHARS_MAX - 1)}…` : text;
    const { nodeName } = this.#config;
    const correlated = this.#correlator.correlate({
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace },
      involvedObject,
      reason,
      message,
      type,
      source: { component: COMPONENT, host: nodeName },
      reportingComponent: COMPONENT,
      reportingInstance: nodeName,
    });
    if (correlated !== undefined) this.#queue.push(correlated);
  }
}

function fieldPathOf({ spec }: Pod, container: string): string {
  const isIn = (list: readonly { readonly name: string }[] | undefined) => list?.some(({ name }) => name === container);
  const kind = isIn(spec?.initContainers)
    ? "initContainers"
    : isIn(spec?.ephemeralContainers)
      ? "ephemeralContainers"
      : "containers";
  return `spec.${kind}{${container}}`;
}
