import {
  CONFIG_MAPS,
  type ControllerRevision,
  controllerOf,
  DAEMON_SETS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  ENDPOINTS,
  type KubeObject,
  LEASES,
  NAMESPACES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type Pod,
  PODS,
  REPLICA_SETS,
  type ResourceType,
  SERVICE_ACCOUNTS,
  SERVICES,
  STORAGE_CLASSES,
} from "@kedge/kube";
import { Informer, type InformerOptions, type KubeClient } from "@kedge/kube-client";
import type { Clock, Logger } from "@kedge/runtime";
import { claimKeysOf } from "./storage/pod-claims.ts";

export const CONTROLLER_REVISIONS: ResourceType<ControllerRevision> = {
  group: "apps",
  version: "v1",
  kind: "ControllerRevision",
  resource: "controllerrevisions",
  namespaced: true,
};
export const ROOT_CA_CONFIG_MAP = "kube-root-ca.crt";
export const NODE_LEASE_NAMESPACE = "kube-node-lease";

/** Index: uid of the managing owner. */
export const BY_OWNER = "owner";
/** Index: what has no managing owner, by namespace; candidates for adoption. */
export const BY_ORPHAN_NAMESPACE = "orphans";
export const BY_NAMESPACE = "namespace";
/** Index of pods: `namespace/name` of the claims of their volumes. */
export const BY_CLAIM = "claim";
/** Index of pods: `spec.nodeName`. */
export const BY_NODE = "node";

/** One copy of each collection for all controllers. */
export type SharedInformers = ReturnType<typeof startInformers>;

export function startInformers(kube: KubeClient, logger: Logger, clock: Clock, scope: AsyncDisposableStack) {
  const start = <T extends KubeObject>(type: ResourceType<T>, options: InformerOptions<T> = {}): Informer<T> => {
    const informer = new Informer(kube, type, { logger, clock, ...options });
    scope.use(informer);
    return informer;
  };
  const ownership = {
    [BY_OWNER]: (object: KubeObject) => [controllerOf(object)?.uid ?? ""].filter((uid) => uid !== ""),
    [BY_ORPHAN_NAMESPACE]: (object: KubeObject) =>
      controllerOf(object) === undefined ? [object.metadata?.namespace ?? ""] : [],
    [BY_NAMESPACE]: (object: KubeObject) => [object.metadata?.namespace ?? ""],
  };
  const byNode = (pod: Pod) => (pod.spec?.nodeName === undefined ? [] : [pod.spec.nodeName]);
  return {
    pods: start(PODS, { indexes: { ...ownership, [BY_NODE]: byNode, [BY_CLAIM]: claimKeysOf } }),
    nodes: start(NODES),
    namespaces: start(NAMESPACES),
    services: start(SERVICES, { indexes: { [BY_NAMESPACE]: ownership[BY_NAMESPACE] } }),
    endpoints: start(ENDPOINTS),
    endpointSlices: start(ENDPOINT_SLICES, { indexes: { [BY_NAMESPACE]: ownership[BY_NAMESPACE] } }),
    deployments: start(DEPLOYMENTS, { indexes: { [BY_NAMESPACE]: ownership[BY_NAMESPACE] } }),
    replicaSets: start(REPLICA_SETS, { indexes: ownership }),
    daemonSets: start(DAEMON_SETS, { indexes: { [BY_NAMESPACE]: ownership[BY_NAMESPACE] } }),
    controllerRevisions: start(CONTROLLER_REVISIONS, { indexes: ownership }),
    serviceAccounts: start(SERVICE_ACCOUNTS, { fieldSelector: "metadata.name=default" }),
    rootCaConfigMaps: start(CONFIG_MAPS, { fieldSelector: `metadata.name=${ROOT_CA_CONFIG_MAP}` }),
    claims: start(PERSISTENT_VOLUME_CLAIMS),
    persistentVolumes: start(PERSISTENT_VOLUMES),
    storageClasses: start(STORAGE_CLASSES),
    nodeLeases: start(LEASES, { namespace: NODE_LEASE_NAMESPACE }),
  };
}
