import { type DeleteOptions, type ObjectKey, type ObjectMeta, type Pod, PODS, type PodStatus } from "@kedge/kube";
import { errorAnswer, okAnswer, unknownPodDelete } from "@kedge/protocol";
import { hasCode, toError } from "@kedge/runtime";
import { mergePodStatus } from "./merge-pod-status.ts";
import { referencesOf } from "./pod-references.ts";
import {
  badRequest,
  forbidden,
  notFound,
  objectContent,
  patchContent,
  type UpstreamDeps,
  type UpstreamHandler,
  type UpstreamRequest,
  withoutEmptyTimes,
  withoutManagedFields,
} from "./upstream-request.ts";

const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
/** Entries of one message of an older edge; a node runs a few hundred pods. */
const STATUS_ENTRIES_MAX = 1_000;

/**
 * The pod, if it is one of this node's.
 *
 * @param uid which pod the node means: where another has its name by now, and is elsewhere, the node's own is gone.
 * @throws KubeApiError `Forbidden`: another node's; `NotFound`
 */
export async function podOfNode(
  node: string,
  key: ObjectKey,
  uid: string | undefined,
  deps: UpstreamDeps,
  signal: AbortSignal,
): Promise<Pod> {
  const known = deps.view.pod(key);
  const pod = known?.spec === undefined ? await deps.kube.get(PODS, key, signal) : known;
  if (pod.spec?.nodeName === node) return pod;
  if (uid !== undefined && pod.metadata?.uid !== uid) {
    // What we remember may be behind: a node must not lose a pod for that.
    const now = pod === known ? await deps.kube.get(PODS, key, signal) : pod;
    if (now.metadata?.uid !== uid) throw notFound("pods", key.name);
    if (now.spec?.nodeName === node) return now;
  }
  throw forbidden(`node ${node} may not touch pod ${key.namespace}/${key.name}, which is not on it`);
}

export const patchPodStatus: UpstreamHandler = {
  may: "report the status of a pod on it",
  answer: "versioned",
  async run(request, deps, signal) {
    const { node, key } = request;
    const patch = patchContent(request);
    const uid = ((patch["metadata"] ?? {}) as Record<string, unknown>)["uid"];
    await podOfNode(node, key, typeof uid === "string" ? uid : undefined, deps, signal);
    // Whatever else is in there is not a node's to change.
    const body = { ...(uid !== undefined && { metadata: { uid } }), status: patch["status"] ?? {} };
    const options = { subresource: "status" };
    return withoutManagedFields(await deps.kube.patch(PODS, key, { type: "strategic", body }, signal, options));
  },
};

/** A node may create only the mirrors of its static pods; these may use nothing of the cluster. */
export const createPod: UpstreamHandler = {
  may: "create the mirror of a static pod of its own, which uses nothing of the cluster",
  answer: "versioned",
  async run(request, { kube }, signal) {
    const { node, key } = request;
    const pod = withoutEmptyTimes(objectContent<Pod>(request));
    const { metadata, spec } = pod;
    if (metadata?.annotations?.[MIRROR_ANNOTATION] === undefined)
      throw forbidden(`node ${node} may create only mirror pods`);
    if (metadata.name !== key.name || (metadata.namespace ?? "default") !== (key.namespace ?? "default"))
      throw badRequest("the pod's name and the message's resource differ");
    if (spec === undefined) throw badRequest("the pod has no spec");
    if ((spec.nodeName ?? node) !== node) throw forbidden(`node ${node} may not create a pod on ${spec.nodeName}`);
    const { configMaps, secrets, claims } = referencesOf(pod);
    const projected = (spec.volumes ?? []).some((volume) => volume.projected !== undefined);
    const account = spec.serviceAccountName || spec.serviceAccount || ""; // the second is the first one's old name
    if (account !== "" || projected || configMaps.size + secrets.size + claims.size > 0)
      throw forbidden("a mirror pod may use no service account, Secret, ConfigMap or volume claim");
    const mirror = { ...pod, metadata: mirrorMetadata(node, metadata), spec: { ...spec, nodeName: node } };
    return withoutManagedFields(await kube.create(PODS, mirror, signal));
  },
};

/** A mirror may belong to its node alone, and nothing may hold up its deletion. */
function mirrorMetadata(node: string, given: ObjectMeta): ObjectMeta {
  const metadata: ObjectMeta = { ...given };
  const owners = (given.ownerReferences ?? []).filter(({ kind, name }) => kind === "Node" && name === node);
  delete metadata.finalizers;
  delete metadata.ownerReferences;
  return { ...metadata, ...(owners.length > 0 && { ownerReferences: owners }) };
}

/** A pod that is gone, or is another one by now, counts as deleted. */
export const deletePod: UpstreamHandler = {
  may: "delete a pod on it",
  answer: "ok",
  async run(request, deps, signal) {
    const { node, key } = request;
    const options = deleteOptions(request);
    try {
      const uid = options.preconditions?.uid;
      const pod = await podOfNode(node, key, uid, deps, signal);
      if (uid !== undefined && uid !== pod.metadata?.uid) return undefined;
      await deps.kube.delete(PODS, key, signal, options);
    } catch (error) {
      if (!hasCode(error, "NotFound") && !hasCode(error, "Conflict")) throw error;
    }
    return undefined;
  },
};

/** Older edges send only the pod's UID, and mean: now. */
function deleteOptions({ content }: UpstreamRequest): DeleteOptions {
  if (typeof content === "string")
    return { gracePeriodSeconds: 0, ...(content !== "" && { preconditions: { uid: content } }) };
  if (content === null || content === undefined) return {};
  if (typeof content !== "object" || Array.isArray(content))
    throw badRequest("a pod's deletion must carry DeleteOptions");
  const { gracePeriodSeconds, preconditions } = content as DeleteOptions;
  return {
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(preconditions !== undefined && { preconditions }),
  };
}

interface PodStatusEntry {
  readonly UID?: string;
  readonly Name?: string;
  readonly Status?: PodStatus;
}

/** Of older edges: one entry, or a list; each is answered by itself. */
export const updatePodStatus: UpstreamHandler = {
  may: "replace the status of a pod on it, as older edges do",
  answer: "none",
  async run(request, deps, signal) {
    const { node, message, key, content } = request;
    const entries = (Array.isArray(content) ? content : [content]) as (PodStatusEntry | null)[];
    if (entries.length > STATUS_ENTRIES_MAX) throw badRequest(`at most ${STATUS_ENTRIES_MAX} pods in one message`);
    for (const entry of entries) {
      try {
        await updateOne(node, { namespace: key.namespace, name: entry?.Name ?? key.name }, entry ?? {}, deps, signal);
        deps.send(okAnswer(node, message));
      } catch (error) {
        if (signal.aborted) throw error;
        if (hasCode(error, "Forbidden"))
          deps.logger.warn({ node, route: message.route, error: toError(error) }, "refused");
        deps.send(errorAnswer(node, message, error));
      }
    }
    return undefined;
  },
};

async function updateOne(
  node: string,
  key: ObjectKey,
  { UID, Status }: PodStatusEntry,
  deps: UpstreamDeps,
  signal: AbortSignal,
): Promise<void> {
  if (typeof Status !== "object" || Status === null || key.name === "")
    throw badRequest("a pod status must carry Name and Status");
  let pod: Pod | undefined;
  try {
    pod = await deps.kube.get(PODS, key, signal);
  } catch (error) {
    if (!hasCode(error, "NotFound")) throw error;
  }
  if (pod === undefined || pod.metadata?.uid !== UID) return deps.send(unknownPodDelete(node, key));
  if (pod.spec?.nodeName !== node) throw forbidden(`node ${node} may not touch pod ${key.namespace}/${key.name}`);
  const status = mergePodStatus(pod, Status);
  await deps.kube.update(PODS, { ...pod, status }, signal, { subresource: "status" });
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const ended = status.phase === "Succeeded" || status.phase === "Failed";
  const running = (status.containerStatuses ?? []).some(({ state }) => state?.running !== undefined);
  if (terminating && ended && !running)
    await deps.kube.delete(PODS, key, signal, {
      gracePeriodSeconds: 0,
      ...(UID !== undefined && { preconditions: { uid: UID } }),
    });
}
