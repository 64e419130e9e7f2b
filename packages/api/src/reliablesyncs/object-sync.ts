import type { KubeObject, ResourceType } from "@kedge/kube";
import type { ObjectSyncSpec, ObjectSyncStatus } from "./object-sync-schema.ts";

/**
 * What one node holds of one namespaced object; name: `<node>.<uid of the object>`. `status` is a subresource.
 *
 * @see `cloud-operations` §2.2
 */
export interface ObjectSync extends KubeObject {
  spec?: ObjectSyncSpec;
  status?: ObjectSyncStatus;
}

/** As {@link ObjectSync}, for an object without namespace. */
export interface ClusterObjectSync extends KubeObject {
  spec?: ObjectSyncSpec;
  status?: ObjectSyncStatus;
}

const GROUP = "reliablesyncs.kubeedge.io";

export const OBJECT_SYNCS: ResourceType<ObjectSync> = {
  group: GROUP,
  version: "v1alpha1",
  kind: "ObjectSync",
  resource: "objectsyncs",
  namespaced: true,
};
export const CLUSTER_OBJECT_SYNCS: ResourceType<ClusterObjectSync> = {
  group: GROUP,
  version: "v1alpha1",
  kind: "ClusterObjectSync",
  resource: "clusterobjectsyncs",
  namespaced: false,
};
