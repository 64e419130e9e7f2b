import type { Pod } from "@kedge/kube";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { EventRecorder } from "../events/event-recorder.ts";
import { isCriticalPod } from "../resources/qos-class.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import {
  type AdmissionFacts,
  type AdmissionFailures,
  admissionFailures,
  firstFailure,
  refusal,
  refuseForGood,
  whyRefused,
} from "./admit-pod.ts";
import { podsToPreempt } from "./preempt.ts";

/** A pod that asks to be taken. */
export interface Candidate {
  readonly pod: Pod;
  /** It was taken once, perhaps by an agent that ran before this one: then it stays, if it can. */
  readonly wasAdmitted: boolean;
  /** Aborts when it shall end: then it need not be looked at any more. */
  readonly ending: AbortSignal;
  /** Called once it is taken, before the next one is looked at. */
  accept(): void;
}

export interface PodAdmissionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventRecorder;
  readonly facts: (pod: Pod) => AdmissionFacts;
  /** What others of the node have against it. */
  readonly refuse: (pod: Pod) => PodVerdict | undefined;
  /** Gives the pod devices and CPUs of its own. @throws why it cannot; {@link release} is called then, if it is new. */
  readonly allocate: (pod: Pod, signal: AbortSignal) => Promise<void>;
  /** Takes back what {@link allocate} gave. */
  readonly release: (podUid: string) => Promise<void>;
  /** Ends a pod. @returns resolves once nothing of it runs. */
  readonly end: (pod: Pod, verdict: PodVerdict, graceSeconds: number) => Promise<void>;
}

interface Waiting {
  readonly candidate: Candidate;
  readonly signal: AbortSignal;
  readonly resolve: (verdict: PodVerdict | undefined) => void;
  readonly reject: (error: Error) => void;
}

const PREEMPTED: PodVerdict = {
  phase: "Failed",
  reason: "Preempting",
  message: "Preempted in order to admit critical pod",
  isDisruption: true,
  disruption: "Pod was preempted by Kubelet to accommodate a critical pod.",
};
const GRACE_DEFAULT_SECONDS = 30;
/** A preempted pod is waited for half as long again as it may take, and at least so long. */
const PREEMPTION_WAIT_MIN_MS = 10_000;

/**
 * Lets pods in, one after the other: those that were in already, then by priority, then the oldest first. So after a
 * restart nobody takes the place of one that runs.
 */
export class PodAdmission {
  readonly #deps: PodAdmissionDeps;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;

  constructor(deps: PodAdmissionDeps) {
    this.#deps = deps;
  }

  /** @returns why the node does not take the pod; `undefined`: it does, or the pod shall end anyway. */
  async admit(candidate: Candidate, signal: AbortSignal): Promise<PodVerdict | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<PodVerdict | undefined>();
    const waiting: Waiting = { candidate, signal, resolve, reject };
    const leave = () => {
      const index = this.#waiting.indexOf(waiting);
      if (index >= 0) this.#waiting.splice(index, 1);
      if (index >= 0) resolve(undefined);
    };
    this.#waiting.push(waiting);
    candidate.ending.addEventListener("abort", leave, { once: true });
    if (!this.#isRunning) {
      this.#isRunning = true;
      setImmediate(() => void this.#run()); // who comes at the same moment is looked at together
    }
    try {
      return await promise;
    } finally {
      candidate.ending.removeEventListener("abort", leave);
    }
  }

  async #run(): Promise<void> {
    for (;;) {
      this.#waiting.sort((a, b) => compare(a.candidate, b.candidate));
      const next = this.#waiting.shift();
      if (next === undefined) break;
      const { candidate, signal, resolve, reject } = next;
      try {
        signal.throwIfAborted();
        const verdict = await this.#judge(candidate, signal);
        if (verdict === undefined) candidate.accept();
        else this.#deps.events.warn(candidate.pod, verdict.reason, whyRefused(verdict));
        resolve(verdict);
      } catch (error) {
        reject(toError(error));
      }
    }
    this.#isRunning = false;
  }

  async #judge({ pod, wasAdmitted }: Candidate, signal: AbortSignal): Promise<PodVerdict | undefined> {
    const { facts, refuse, allocate, release, logger } = this.#deps;
    if (!wasAdmitted) {
      const verdict = refuse(pod) ?? refuseForGood(pod, facts(pod));
      if (verdict !== undefined) return verdict;
    }
    try {
      await allocate(pod, signal);
    } catch (error) {
      signal.throwIfAborted();
      const { name, namespace } = pod.metadata ?? {};
      logger.warn({ pod: name, namespace, wasAdmitted, error: toError(error) }, "devices or CPUs not given to a pod");
      // Its containers may run, and those that do not say what they wait for: a plugin may come up after us.
      if (wasAdmitted) return undefined;
      await release(pod.metadata?.uid ?? "");
      return notAllocated(error);
    }
    if (wasAdmitted) return undefined;
    const verdict = await this.#findRoom(pod, admissionFailures(pod, facts(pod)), signal);
    if (verdict !== undefined) await release(pod.metadata?.uid ?? "");
    return verdict;
  }

  /** A critical pod that only lacks room gets the room of others. */
  async #findRoom(pod: Pod, failures: AdmissionFailures, signal: AbortSignal): Promise<PodVerdict | undefined> {
    if (!isCriticalPod(pod) || failures.others.length > 0)
      return firstFailure(isCriticalPod(pod) ? { ...failures, shortages: [] } : failures);
    if (failures.shortages.length === 0) return undefined;
    let victims: Pod[];
    try {
      victims = podsToPreempt(pod, this.#deps.facts(pod).others, failures.shortages);
    } catch (error) {
      const { message } = toError(error);
      return refusal(
        "UnexpectedAdmissionError",
        `Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: ${message}`,
      );
    }
    for (const victim of victims) await this.#preempt(victim, signal);
    return undefined;
  }

  async #preempt(victim: Pod, signal: AbortSignal): Promise<void> {
    const { events, clock, logger, end } = this.#deps;
    const { name, namespace } = victim.metadata ?? {};
    const graceSeconds = victim.spec?.terminationGracePeriodSeconds ?? GRACE_DEFAULT_SECONDS;
    events.warn(victim, PREEMPTED.reason, PREEMPTED.message);
    const waitMs = Math.max(PREEMPTION_WAIT_MIN_MS, graceSeconds * 1500);
    const life = new AbortController();
    const late = clock.sleep(waitMs, AbortSignal.any([signal, life.signal])).then(
      () => logger.warn({ pod: name, namespace, waitMs }, "a preempted pod has not ended yet: not waiting longer"),
      () => undefined,
    );
    await Promise.race([end(victim, PREEMPTED, graceSeconds), late]);
    life.abort();
    signal.throwIfAborted();
  }
}

/** As a kubelet's resource managers say it, each under its own name. */
function notAllocated(error: unknown): PodVerdict {
  const reason = error instanceof Error && "admissionReason" in error ? String(error.admissionReason) : undefined;
  const { message } = toError(error);
  if (reason !== undefined) return refusal(reason, message);
  return refusal("UnexpectedAdmissionError", `Allocate failed due to ${message}, which is unexpected`);
}

function compare(a: Candidate, b: Candidate): number {
  if (a.wasAdmitted !== b.wasAdmitted) return a.wasAdmitted ? -1 : 1;
  const priority = (b.pod.spec?.priority ?? 0) - (a.pod.spec?.priority ?? 0);
  if (priority !== 0) return priority;
  return createdAt(a.pod) < createdAt(b.pod) ? -1 : createdAt(a.pod) > createdAt(b.pod) ? 1 : 0;
}

function createdAt({ metadata }: Pod): string {
  return metadata?.creationTimestamp ?? "";
}
