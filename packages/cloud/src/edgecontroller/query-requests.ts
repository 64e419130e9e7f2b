import {
  CONFIG_MAPS,
  KubeApiError,
  keyOf,
  type KubeObject,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  SECRETS,
  type ResourceType,
  SERVICE_ACCOUNTS,
  type TokenRequest,
  VOLUME_ATTACHMENTS,
} from "@kedge/kube";
import { referencesOfKept } from "./cluster-view.ts";
import { podOfNode } from "./pod-requests.ts";
import {
  badRequest,
  forbidden,
  objectContent,
  type UpstreamDeps,
  type UpstreamHandler,
  type UpstreamRequest,
  withoutManagedFields,
} from "./upstream-request.ts";

function refuse({ node, type, key }: UpstreamRequest): Error {
  return forbidden(`node ${node} may not read ${type} ${key.namespace}/${key.name}: no pod on it needs it`);
}

function keyText({ key }: UpstreamRequest): string {
  return keyOf({ metadata: { ...key } as { name: string } });
}

/** ConfigMaps and Secrets: only those that a pod on the node needs. */
function queryNeeded(kind: "configMap" | "secret"): UpstreamHandler {
  return {
    may: `read a ${kind === "configMap" ? "ConfigMap" : "Secret"} that a pod on it${kind === "secret" ? ", or a volume of one," : ""} uses`,
    answer: "bare",
    async run(request, deps, signal) {
      const { view, kube } = deps;
      const key = keyText(request);
      const may =
        view.needs(request.node, kind, key) || (kind === "secret" && (await isOfVolume(request, deps, signal)));
      if (!may) throw refuse(request);
      const objects = kind === "configMap" ? view.configMaps : view.secrets;
      const object: KubeObject | undefined = await objects.get(key, true, signal);
      // Asked once more for the API server's own words on why it is not there.
      const type: ResourceType = kind === "configMap" ? CONFIG_MAPS : SECRETS;
      return object ?? kube.get(type, request.key, signal);
    },
  };
}

export const queryConfigMap = queryNeeded("configMap");
export const querySecret = queryNeeded("secret");

/** Claims of one node that are looked through for a volume's secret. */
const CLAIMS_MAX = 1_000;

/** Whether a volume of a pod on the node names this Secret for its driver. Seldom asked: the edge keeps what it got. */
async function isOfVolume({ node, key }: UpstreamRequest, { view, kube }: UpstreamDeps, signal: AbortSignal) {
  const claims = new Set<string>();
  for (const pod of view.podsOf(node))
    for (const name of referencesOfKept(pod).claims) claims.add(`${pod.metadata?.namespace}/${name}`);
  for (const claim of [...claims].slice(0, CLAIMS_MAX)) {
    const [namespace = "", name = ""] = claim.split("/");
    const bound = await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace, name }, signal).catch(ifNotFound);
    if (bound?.spec?.volumeName === undefined) continue;
    const volume = await kube.get(PERSISTENT_VOLUMES, { name: bound.spec.volumeName }, signal).catch(ifNotFound);
    const { claimRef, csi } = volume?.spec ?? {};
    if (claimRef?.uid !== bound.metadata?.uid) continue;
    const secrets = [csi?.nodePublishSecretRef, csi?.nodeStageSecretRef, csi?.nodeExpandSecretRef];
    if (secrets.some((secret) => secret?.name === key.name && secret.namespace === key.namespace)) return true;
  }
  return false;
}

function ifNotFound(error: unknown): undefined {
  if (error instanceof KubeApiError && error.code === "NotFound") return undefined;
  throw error;
}

export const queryVolumeClaim: UpstreamHandler = {
  may: "read a claim that a pod on it uses",
  answer: "bare",
  async run(request, { view, kube }, signal) {
    if (!view.needs(request.node, "claim", keyText(request))) throw refuse(request);
    return withoutManagedFields(await kube.get(PERSISTENT_VOLUME_CLAIMS, request.key, signal));
  },
};

export const queryVolume: UpstreamHandler = {
  may: "read a volume that is bound to a claim that a pod on it uses",
  answer: "bare",
  async run(request, { view, kube }, signal) {
    const volume = await kube.get(PERSISTENT_VOLUMES, { name: request.key.name }, signal);
    const { namespace, name } = volume.spec?.claimRef ?? {};
    if (!view.needs(request.node, "claim", `${namespace}/${name}`)) throw refuse(request);
    return withoutManagedFields(volume);
  },
};

export const queryVolumeAttachment: UpstreamHandler = {
  may: "read an attachment to itself",
  answer: "bare",
  async run(request, { kube }, signal) {
    // It has no namespace, although it travels with one (W29).
    const attachment = await kube.get(VOLUME_ATTACHMENTS, { name: request.key.name }, signal);
    if (attachment.spec.nodeName !== request.node) throw refuse(request);
    return withoutManagedFields(attachment);
  },
};

/** A node gets tokens only for its own pods, and bound to them. */
export const requestToken: UpstreamHandler = {
  may: "get a token for the service account of a pod on it, bound to that pod",
  answer: "bare",
  async run(request, deps, signal) {
    const { node, key } = request;
    const { spec } = objectContent<TokenRequest>(request);
    const bound = spec?.boundObjectRef;
    if (bound?.kind !== "Pod" || bound.name === undefined || bound.uid === undefined)
      throw forbidden(`node ${node} may ask only for tokens that are bound to a pod`);
    const pod = await podOfNode(node, { namespace: key.namespace, name: bound.name }, bound.uid, deps, signal);
    if (pod.metadata?.uid !== bound.uid)
      throw forbidden(`pod ${key.namespace}/${bound.name} has another UID than ${bound.uid}`);
    if ((pod.spec?.serviceAccountName ?? "default") !== key.name)
      throw forbidden(`pod ${key.namespace}/${bound.name} does not run as service account ${key.name}`);
    if (spec.audiences !== undefined && spec.audiences !== null && !Array.isArray(spec.audiences))
      throw badRequest("audiences must be a list");
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", metadata: {}, spec };
    const token = await deps.kube.createSubresource<object, TokenRequest>(SERVICE_ACCOUNTS, key, "token", body, signal);
    // Without a version: an old token must never pass for a newer one.
    return { ...withoutManagedFields(token), metadata: withoutVersion(token.metadata) } as KubeObject;
  },
};

function withoutVersion(metadata: KubeObject["metadata"]): KubeObject["metadata"] {
  const { resourceVersion: _version, ...rest } = metadata ?? {};
  return rest;
}
