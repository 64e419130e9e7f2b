import {
  controllerOf,
  type ControllerRevision,
  DAEMON_SETS,
  type DaemonSet,
  equalJson,
  isControlledBy,
  keyOf,
  type Node,
  type Pod,
  PODS,
} from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { Backoff, hasCode, toError } from "@kedge/runtime";
import { claimChildren } from "../claim-children.ts";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { PendingWrites } from "../pending-writes.ts";
import { createSlowly } from "../pods/create-slowly.ts";
import { selecting } from "../selecting.ts";
import { BY_NAMESPACE, BY_OWNER, CONTROLLER_REVISIONS } from "../shared-informers.ts";
import { daemonPod, newRevision, REVISION_HASH, revisionData } from "./daemonset-template.ts";
import { daemonSetStatus, type DaemonView, planDaemons } from "./plan-daemons.ts";

const WORKERS = 2;
/** A daemon that ends in failure comes again after a growing wait. */
const FAILED_WAIT = { initialMs: 1_000, maxMs: 15 * 60_000 };
/** One that failed long ago is forgiven. */
const FAILURE_KEPT_MS = 30 * 60_000;
const REVISIONS_KEPT = 10;

/** Keeps one pod of each DaemonSet on each node that it is for. */
export function startDaemonSetController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers } = context;
  const { daemonSets, pods, nodes, controllerRevisions } = informers;
  const recorder = context.recorder("daemonset-controller");
  const pending = new PendingWrites(pods, clock);
  /** DaemonSet and node → how long to leave a failed pod, and since when it is left. */
  const failures = new Map<string, { readonly wait: Backoff; untilMs: number; pod: string }>();

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const daemonSet = daemonSets.get(key);
    if (daemonSet === undefined) {
      pending.forget(key);
      for (const each of failures.keys()) if (each.startsWith(`${key}/`)) failures.delete(each);
      return {};
    }
    const waitMs = pending.waitMs(key);
    if (waitMs !== undefined) return { requeueAfterMs: waitMs };
    const owned = await claimChildren(kube, DAEMON_SETS, daemonSet, daemonSet.spec?.selector, pods, signal);
    const revision = await currentRevision(daemonSet, signal);
    if (revision === undefined) return {}; // the status was written, which brings us back
    const hash = revision.metadata?.labels?.[REVISION_HASH] ?? "";
    const alive = nodes.list().filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    const view: DaemonView = { daemonSet, nodes: alive, pods: owned, hash, nowMs: clock.now() };
    const plan = planDaemons(view);
    const failedWaitMs = await removeFailed(key, daemonSet, plan.failed, signal);
    for (const pod of plan.remove) await removePod(key, daemonSet, pod, signal);
    const error = await createDaemons(key, daemonSet, plan.create, hash, signal);
    if (plan.create.length + plan.remove.length === 0) await dropOldRevisions(daemonSet, revision, owned, signal);
    const { status, requeueAfterMs } = daemonSetStatus(view);
    if (!equalJson(status, daemonSet.status))
      await kube.update(DAEMON_SETS, { ...daemonSet, status }, signal, { subresource: "status" });
    if (error !== undefined) throw new Error(toError(error).message, { cause: error });
    const waits = [requeueAfterMs, failedWaitMs].filter((ms) => ms !== undefined);
    return { requeueAfterMs: waits.length === 0 ? undefined : Math.min(...waits) };
  }

  async function createDaemons(
    key: string,
    daemonSet: DaemonSet,
    nodeNames: readonly string[],
    hash: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    const left = [...nodeNames];
    const error = await createSlowly(nodeNames.length, async () => {
      const pod = await kube.create(PODS, daemonPod(daemonSet, left.shift() ?? "", hash), signal);
      pending.created(key, pod);
      recorder.record(DAEMON_SETS, daemonSet, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata?.name}`);
    });
    if (error !== undefined)
      recorder.record(DAEMON_SETS, daemonSet, "Warning", "FailedCreate", `Error creating: ${toError(error).message}`);
    return error;
  }

  async function removePod(key: string, daemonSet: DaemonSet, pod: Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name = "", uid } = pod.metadata ?? {};
    try {
      await kube.delete(PODS, { namespace, name }, signal, uid === undefined ? {} : { preconditions: { uid } });
      recorder.record(DAEMON_SETS, daemonSet, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
    pending.deleted(key, pod);
  }

  /** @returns after how many ms the next of them is due. */
  async function removeFailed(
    key: string,
    daemonSet: DaemonSet,
    failed: readonly Pod[],
    signal: AbortSignal,
  ): Promise<number | undefined> {
    let nextMs: number | undefined;
    for (const pod of failed) {
      const place = `${key}/${pod.spec?.nodeName}`;
      const uid = pod.metadata?.uid ?? "";
      const known = failures.get(place);
      const recent = known !== undefined && clock.monotonic() - known.untilMs < FAILURE_KEPT_MS ? known : undefined;
      const failure = recent ?? { wait: new Backoff(FAILED_WAIT), untilMs: 0, pod: "" };
      failures.set(place, failure);
      if (failure.pod !== uid) {
        failure.pod = uid;
        failure.untilMs = clock.monotonic() + failure.wait.next();
        const message = `Found failed daemon pod ${keyOf(pod)} on node ${pod.spec?.nodeName}, will try to kill it`;
        recorder.record(DAEMON_SETS, daemonSet, "Warning", "FailedDaemonPod", message);
      }
      const leftMs = failure.untilMs - clock.monotonic();
      if (leftMs <= 0) await removePod(key, daemonSet, pod, signal);
      else nextMs = Math.min(nextMs ?? Infinity, leftMs);
    }
    return nextMs;
  }

  /** The revision of the present template, created or made the newest where needed; undefined after a name collision. */
  async function currentRevision(daemonSet: DaemonSet, signal: AbortSignal): Promise<ControllerRevision | undefined> {
    const all = controllerRevisions.byIndex(BY_OWNER, daemonSet.metadata?.uid ?? "");
    const newest = Math.max(0, ...all.map(({ revision }) => revision));
    const data = revisionData(daemonSet);
    const same = all.find((each) => equalJson(each.data, data));
    if (same?.revision === newest && same !== undefined) return same;
    if (same !== undefined) return kube.update(CONTROLLER_REVISIONS, { ...same, revision: newest + 1 }, signal);
    const wanted = newRevision(daemonSet, newest + 1);
    try {
      return await kube.create(CONTROLLER_REVISIONS, wanted, signal);
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) throw error;
      const { namespace, name = "" } = wanted.metadata ?? {};
      const taken = await kube.get(CONTROLLER_REVISIONS, { namespace, name }, signal);
      if (isControlledBy(taken, daemonSet) && equalJson(taken.data, data)) return taken;
      const status = {
        ...zeroStatus,
        ...daemonSet.status,
        collisionCount: (daemonSet.status?.collisionCount ?? 0) + 1,
      };
      await kube.update(DAEMON_SETS, { ...daemonSet, status }, signal, { subresource: "status" });
      return undefined;
    }
  }

  async function dropOldRevisions(
    daemonSet: DaemonSet,
    current: ControllerRevision,
    owned: readonly Pod[],
    signal: AbortSignal,
  ): Promise<void> {
    const used = new Set(owned.map(({ metadata }) => metadata?.labels?.[REVISION_HASH]));
    const unused = controllerRevisions
      .byIndex(BY_OWNER, daemonSet.metadata?.uid ?? "")
      .filter(({ metadata }) => metadata?.uid !== current.metadata?.uid && !used.has(metadata?.labels?.[REVISION_HASH]))
      .sort((a, b) => a.revision - b.revision);
    const excess = unused.length - (daemonSet.spec?.revisionHistoryLimit ?? REVISIONS_KEPT);
    for (const { metadata } of unused.slice(0, Math.max(0, excess)))
      await kube.delete(CONTROLLER_REVISIONS, { namespace: metadata?.namespace, name: metadata?.name ?? "" }, signal);
  }

  const caches = [daemonSets, pods, nodes, controllerRevisions];
  const loop = new ControllerLoop("daemonset", context, caches, reconcile, WORKERS);
  loop.on(daemonSets, (old, object) => [keyOf(object ?? old ?? {})]);
  loop.on(nodes, (old, node) => (nodeChangeMatters(old, node) ? daemonSets.list().map(keyOf) : []));
  loop.on(pods, function* (old, object) {
    for (const pod of [old, object]) {
      const owner = pod === undefined ? undefined : controllerOf(pod);
      if (owner?.kind === "DaemonSet") yield `${pod?.metadata?.namespace}/${owner.name}`;
    }
    if (object !== undefined && controllerOf(object) === undefined)
      yield* selecting(daemonSets.byIndex(BY_NAMESPACE, object.metadata?.namespace ?? ""), object).map(keyOf);
  });
  return loop;
}

const zeroStatus = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };

/** Not the heartbeat. */
function nodeChangeMatters(old: Node | undefined, node: Node | undefined): boolean {
  const seen = (each: Node | undefined) =>
    JSON.stringify([
      each?.spec,
      each?.metadata?.labels,
      each?.metadata?.deletionTimestamp !== undefined,
      each === undefined,
    ]);
  return seen(old) !== seen(node);
}
