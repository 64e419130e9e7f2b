import { KubeApiError, type ObjectKey, type Pod, type PodStatus } from "@kedge/kube";
import { Backoff, type Clock, Component, isAbort, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { PullGate } from "../images/pull-gate.ts";
import { isStaticPod } from "../static-pods/static-pod-annotations.ts";
import { isSame, statusPatch } from "./status-patch.ts";

/** Patches on their way at once. */
const IN_FLIGHT_MAX = 8;
const RETRY_INITIAL_MS = 1_000;
const RETRY_MAX_MS = 10_000;
/** A link that comes and goes must not have every pod confirmed each time. */
const CONFIRM_INTERVAL_MIN_MS = 10 * 60_000;

export interface StatusManagerDeps {
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The API's copies of static pods, by the uid of what they show. */
  readonly mirrors?: {
    of(staticUid: string): Pod | undefined;
    /** The API server does not have it any more. */
    gone(staticUid: string): void;
  };
}

interface Tracked {
  readonly key: ObjectKey;
  readonly uid: string;
  /** The node's own: told of is its copy in the API, which has another uid, once there is one. */
  readonly isStatic: boolean;
  /** Of the copy that was told of last. */
  mirrorUid: string | undefined;
  /** What the API server has, as far as we know. */
  reported: PodStatus;
  wanted: PodStatus;
  /** What the API server showed otherwise than it was told, when it was last looked at. */
  repeated: string | undefined;
  /** All of the pod is cleaned up here: its object may go once the last status is told. */
  deletable: boolean;
  /** Whether the API server shall say that it has this pod, although there is nothing new to tell. */
  confirmDue: boolean;
  /** When it last said so, by the monotonic clock. */
  confirmedAtMs: number;
  readonly wake: WakeUp;
  readonly life: AbortController;
}

/**
 * Tells the cluster what became of pods: only what changed, in order for each pod, the newest status alone, until it is
 * accepted; at last that the pod's object can go. A pod that is told of and does not exist is removed by MetaManager: so
 * all pods are told of once after the start, but to a cloud of ours, and when the node was registered anew, since the
 * cloud then does not know which pods the node had.
 */
export class StatusManager extends Component {
  readonly #deps: StatusManagerDeps;
  readonly #pods = new Map<string, Tracked>();
  readonly #gate = new PullGate(IN_FLIGHT_MAX);
  readonly #loops = new Set<Promise<void>>();

  constructor(deps: StatusManagerDeps) {
    super();
    this.#deps = deps;
  }

  /** The status as last decided here, which may not have been reported yet; `undefined` for a pod not seen so far. */
  statusOf(uid: string): PodStatus | undefined {
    return this.#pods.get(uid)?.wanted;
  }

  /** Takes a pod's newest status. Does nothing if nothing changed. */
  set(pod: Pod, status: PodStatus): void {
    const tracked = this.#track(pod);
    if (isSame(tracked.wanted, status)) return;
    tracked.wanted = status;
    tracked.wake.wake();
  }

  /** The cluster shows another status than we reported, of a node controller, say: ours counts. */
  observe(pod: Pod): void {
    const tracked = this.#pods.get(pod.metadata?.uid ?? "");
    // While a patch is on its way the cluster cannot know better than we.
    if (tracked === undefined || pod.status === undefined || !isSame(tracked.reported, tracked.wanted)) return;
    const patch = statusPatch(tracked.uid, pod.status, tracked.wanted);
    const isTaken = patch === undefined || patch !== tracked.repeated;
    tracked.repeated = patch;
    // It was told so before: an older API server leaves out what it does not know, however often it hears it.
    if (patch === undefined || !isTaken) return;
    tracked.reported = pod.status;
    tracked.wake.wake();
  }

  /** As {@link observe}, of the copy of a static pod. */
  observeMirror(staticUid: string, { metadata, status = {} }: Pod): void {
    const tracked = this.#pods.get(staticUid);
    if (tracked === undefined) return;
    if (tracked.mirrorUid !== metadata?.uid) tracked.reported = status; // a new one knows nothing yet
    this.observe({ metadata: { ...metadata, uid: staticUid }, status });
    tracked.wake.wake();
  }

  /** Deletes the pod's object once its last status has been reported: everything of it has been removed here. */
  finish(pod: Pod): void {
    const tracked = this.#track(pod);
    tracked.deletable = true;
    tracked.wake.wake();
  }

  /** Stops caring for a pod whose object is gone. */
  forget(uid: string): void {
    this.#pods.get(uid)?.life.abort();
    this.#pods.delete(uid);
  }

  /**
   * The link to the cloud is back: what waits to be tried again goes now.
   *
   * @param compares the cloud is ours: which pods both ends have it compares by digest, at a cost of bytes, not of pods.
   */
  retryNow({ compares = false } = {}): void {
    const confirmedBeforeMs = this.#deps.clock.monotonic() - CONFIRM_INTERVAL_MIN_MS;
    for (const tracked of this.#pods.values()) {
      tracked.confirmDue = !compares && (tracked.confirmDue || tracked.confirmedAtMs < confirmedBeforeMs);
      tracked.wake.wake();
    }
  }

  /** The cloud may have forgotten which pods the node has. */
  confirmAll(): void {
    for (const tracked of this.#pods.values()) {
      tracked.confirmDue = true;
      tracked.wake.wake();
    }
  }

  #track(pod: Pod): Tracked {
    const { uid = "", namespace, name = "" } = pod.metadata ?? {};
    const known = this.#pods.get(uid);
    if (known !== undefined) return known;
    const status = pod.status ?? {};
    const tracked: Tracked = {
      key: { namespace, name },
      uid,
      isStatic: isStaticPod(pod),
      mirrorUid: undefined,
      reported: status,
      wanted: status,
      repeated: undefined,
      deletable: false,
      confirmDue: true,
      confirmedAtMs: Number.NEGATIVE_INFINITY,
      wake: new WakeUp(),
      life: new AbortController(),
    };
    this.#pods.set(uid, tracked);
    const loop = this.#run(tracked).finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
    return tracked;
  }

  async #run(tracked: Tracked): Promise<void> {
    const signal = AbortSignal.any([this.signal, tracked.life.signal]);
    const backoff = new Backoff({ initialMs: RETRY_INITIAL_MS, maxMs: RETRY_MAX_MS, jitter: 0.2 });
    while (!signal.aborted) {
      try {
        await this.#gate.run(() => this.#report(tracked, signal), signal);
        backoff.reset();
        await tracked.wake.wait(signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) return;
        const facts = { pod: tracked.key.name, namespace: tracked.key.namespace, error: toError(error) };
        this.#deps.logger.debug(facts, "pod status not reported yet");
        await tracked.wake.waitOr(backoff.next(), this.#deps.clock, signal).catch(() => undefined);
      }
    }
  }

  async #report(tracked: Tracked, signal: AbortSignal): Promise<void> {
    const { key, wanted } = tracked;
    const { mirrors } = this.#deps;
    const uid = tracked.isStatic ? mirrors?.of(tracked.uid)?.metadata?.uid : tracked.uid;
    if (uid === undefined) return;
    tracked.mirrorUid = uid;
    const confirming = tracked.confirmDue;
    const patch = statusPatch(uid, tracked.reported, wanted) ?? (confirming ? nothingNew(uid) : undefined);
    try {
      if (patch !== undefined) {
        tracked.confirmDue = false; // may be due again before the answer
        await this.#deps.bus.request("meta/patchPodStatus", { key, patch }, signal);
        tracked.confirmedAtMs = this.#deps.clock.monotonic();
        tracked.reported = wanted;
        // A newer status has come meanwhile: it must not wait for the deletion.
        if (tracked.wanted !== wanted) return tracked.wake.wake();
      }
      if (!tracked.deletable) return;
      const options = { gracePeriodSeconds: 0, preconditions: { uid } };
      await this.#deps.bus.request("meta/deletePod", { key, options }, signal);
      tracked.deletable = false;
    } catch (error) {
      if (!isGone(error)) {
        tracked.confirmDue ||= confirming;
        throw error;
      }
      // Nobody is interested any more: the pod is gone, or another one has its name.
      tracked.reported = wanted;
      tracked.confirmedAtMs = this.#deps.clock.monotonic();
      tracked.deletable = false;
      this.#deps.logger.debug({ pod: key.name, namespace: key.namespace, error: toError(error) }, "pod is gone");
      if (tracked.isStatic && mirrors?.of(tracked.uid)?.metadata?.uid === uid) mirrors.gone(tracked.uid);
    }
  }

  protected override async stop(): Promise<void> {
    await Promise.all(this.#loops);
  }
}

/** Changes nothing, and is answered with the pod, or that there is none with this uid. */
function nothingNew(uid: string): string {
  return JSON.stringify({ metadata: { uid }, status: {} });
}

function isGone(error: unknown): boolean {
  return (
    error instanceof KubeApiError &&
    (error.code === "NotFound" || (error.code === "Conflict" && /uid/i.test(error.message)))
  );
}
