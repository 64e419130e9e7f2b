import { type ContainerStatus, DEPLOYMENTS, type Pod, PODS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode, systemClock } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";
import { NAME } from "./cloudcore-rbac.ts";
import { KUBEEDGE_NAMESPACE } from "./connect-cluster.ts";

const POLL_MS = 500;
const LOG_LINES = 5;
const LOG_CHARS_MAX = 1_000;

/**
 * Resolves once all replicas of cloudcore are available.
 *
 * @throws KeadmError `NotReady` with what the pod itself says (FIX: KubeEdge says "timed out waiting for the condition")
 */
export async function waitForRollout(kube: KubeClient, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    if (await isRolledOut(kube, signal)) return;
    if (systemClock.monotonic() > deadline)
      throw new KeadmError(
        "NotReady",
        NAME,
        `cloudcore did not become available within ${timeoutMs / 1000} s (${await whyNot(kube, signal)}): mend that and run the same command again; see kubectl -n ${KUBEEDGE_NAMESPACE} describe pods`,
      );
    await systemClock.sleep(POLL_MS, signal);
  }
}

/** Whether cloudcore is there, and all of it runs what its Deployment says. */
export async function isRolledOut(kube: KubeClient, signal: AbortSignal): Promise<boolean> {
  try {
    const key = { namespace: KUBEEDGE_NAMESPACE, name: NAME };
    const { metadata, spec, status } = await kube.get(DEPLOYMENTS, key, signal);
    const wanted = spec?.replicas ?? 1;
    return (
      status?.observedGeneration === metadata?.generation &&
      (status?.updatedReplicas ?? 0) >= wanted &&
      (status?.availableReplicas ?? 0) >= wanted
    );
  } catch (error) {
    if (hasCode(error, "NotFound")) return false;
    throw error;
  }
}

async function whyNot(kube: KubeClient, signal: AbortSignal): Promise<string> {
  const selection = { namespace: KUBEEDGE_NAMESPACE, labelSelector: "kubeedge=cloudcore" };
  const { items } = await kube.list(PODS, selection, signal);
  const pod = items.find(({ status }) => !isReady(status));
  if (pod === undefined) return "it has no pod: does a controller manager run?";
  const name = pod.metadata?.name ?? "";
  const container = pod.status?.containerStatuses?.[0];
  const scheduled = pod.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  if (scheduled !== undefined) return `pod ${name} has no node: ${scheduled.message ?? scheduled.reason ?? ""}`;
  if (container === undefined) return `pod ${name} is ${pod.status?.phase ?? "new"}: no node has taken it up`;
  const { waiting } = container.state ?? {};
  const ended = container.state?.terminated ?? container.lastState?.terminated;
  if (ended === undefined) return `pod ${name}: ${waiting?.reason ?? "not ready"} ${waiting?.message ?? ""}`.trim();
  return `pod ${name}: ended with ${ended.exitCode}, and said: ${await lastWords(kube, name, container, signal)}`;
}

function isReady(status: Pod["status"]): boolean {
  return status?.conditions?.some(({ type, status: state }) => type === "Ready" && state === "True") === true;
}

async function lastWords(
  kube: KubeClient,
  pod: string,
  container: ContainerStatus,
  signal: AbortSignal,
): Promise<string> {
  const previous = container.state?.terminated === undefined;
  const path = `/api/v1/namespaces/${KUBEEDGE_NAMESPACE}/pods/${pod}/log?tailLines=${LOG_LINES}&previous=${previous}`;
  const { status, body } = await kube.raw("GET", path, signal);
  return status === 200 ? body.trim().slice(-LOG_CHARS_MAX) : "its log cannot be read";
}
