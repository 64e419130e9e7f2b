import type { Event, Pod } from "@kedge/kube";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";

/** What is said again about the same thing counts up instead of filling the cluster's store. */
const REMEMBERED_MAX = 512;
/** Of one pod: this many at once, then one each {@link REFILL_MS}. */
const BURST_MAX = 25;
const REFILL_MS = 300_000 / BURST_MAX;
const IN_FLIGHT_MAX = 64;
const MESSAGE_CHARS_MAX = 1024;

export interface EventRecorderConfig {
  /** `reportEvent` */
  readonly enabled: boolean;
  readonly nodeName: string;
}

export interface EventRecorderDeps {
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Tells the cluster's users what happens to pods here: best effort, never waited for. */
export class EventRecorder {
  readonly #config: EventRecorderConfig;
  readonly #deps: EventRecorderDeps;
  readonly #signal: AbortSignal;
  readonly #remembered = new Map<string, Event>();
  readonly #budgets = new Map<string, { tokens: number; atMs: number }>();
  #inFlight = 0;
  #sequence = 0;

  constructor(config: EventRecorderConfig, deps: EventRecorderDeps, signal: AbortSignal) {
    this.#config = config;
    this.#deps = deps;
    this.#signal = signal;
  }

  normal(pod: Pod, reason: string, message: string, container?: string): void {
    this.#record(pod, "Normal", reason, message, container);
  }

  warn(pod: Pod, reason: string, message: string, container?: string): void {
    this.#record(pod, "Warning", reason, message, container);
  }

  #record(pod: Pod, type: "Normal" | "Warning", reason: string, text: string, container: string | undefined): void {
    const message = text.length > MESSAGE_CHARS_MAX ? `${text.slice(0, MESSAGE_CHARS_MAX - 1)}…` : text;
    const { uid = "" } = pod.metadata ?? {};
    this.#deps.logger.debug({ pod: pod.metadata?.name, container, reason }, message);
    if (!this.#config.enabled || !this.#spend(uid)) return;
    const key = [uid, container, type, reason, message].join("\0");
    const known = this.#remembered.get(key);
    const now = new Date(this.#deps.clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
    const event: Event =
      known === undefined
        ? this.#newEvent(pod, type, reason, message, container, now)
        : { ...known, count: (known.count ?? 1) + 1, lastTimestamp: now };
    this.#remembered.delete(key);
    this.#remembered.set(key, event);
    if (this.#remembered.size > REMEMBERED_MAX) this.#dropOldest(this.#remembered);
    void this.#send(event, known !== undefined);
  }

  #newEvent(
    pod: Pod,
    type: string,
    reason: string,
    message: string,
    container: string | undefined,
    now: string,
  ): Event {
    const { name = "", namespace = "", uid = "", resourceVersion } = pod.metadata ?? {};
    const component = "kubelet";
    this.#sequence += 1;
    const suffix = (BigInt(this.#deps.clock.now()) * 1_000_000n + BigInt(this.#sequence % 1_000_000)).toString(16);
    const isInit = pod.spec?.initContainers?.some((one) => one.name === container) === true;
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${name}.${suffix}`, namespace },
      involvedObject: {
        kind: "Pod",
        apiVersion: "v1",
        name,
        namespace,
        uid,
        ...(resourceVersion !== undefined && { resourceVersion }),
        ...(container !== undefined && { fieldPath: `spec.${isInit ? "initContainers" : "containers"}{${container}}` }),
      },
      reason,
      message,
      type,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component, host: this.#config.nodeName },
      reportingComponent: component,
      reportingInstance: this.#config.nodeName,
    };
  }

  async #send(event: Event, repeated: boolean): Promise<void> {
    if (this.#inFlight >= IN_FLIGHT_MAX) return;
    this.#inFlight += 1;
    try {
      const { count, lastTimestamp } = event;
      const patch = JSON.stringify({ count, lastTimestamp });
      const request = repeated
        ? { operation: "patch" as const, event, patch }
        : { operation: "insert" as const, event };
      await this.#deps.bus.request("meta/sendEvent", request, this.#signal);
    } catch (error) {
      if (!this.#signal.aborted) this.#deps.logger.debug({ error: toError(error) }, "event not sent");
    } finally {
      this.#inFlight -= 1;
    }
  }

  #spend(uid: string): boolean {
    const nowMs = this.#deps.clock.monotonic();
    const budget = this.#budgets.get(uid) ?? { tokens: BURST_MAX, atMs: nowMs };
    const tokens = Math.min(BURST_MAX, budget.tokens + (nowMs - budget.atMs) / REFILL_MS);
    this.#budgets.delete(uid);
    this.#budgets.set(uid, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#budgets.size > REMEMBERED_MAX) this.#dropOldest(this.#budgets);
    return tokens >= 1;
  }

  #dropOldest(map: Map<string, unknown>): void {
    for (const oldest of map.keys()) return void map.delete(oldest);
  }
}
