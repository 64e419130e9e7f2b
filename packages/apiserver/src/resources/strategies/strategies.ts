import type { BuiltinStrategy } from "../builtin-strategy.ts";
import { crdStrategy } from "../crd/crd-strategy.ts";
import {
  certificateSigningRequestStrategy,
  endpointSliceStrategy,
  endpointsStrategy,
  eventStrategy,
  groupEventStrategy,
  leaseStrategy,
  namespaceStrategy,
  nodeStrategy,
} from "./cluster-strategies.ts";
import { configMapStrategy, secretStrategy } from "./config-strategies.ts";
import {
  autoscalerStrategy,
  cronJobStrategy,
  csiDriverStrategy,
  ingressClassStrategy,
  jobStrategy,
  networkPolicyStrategy,
  persistentVolumeClaimStrategy,
  persistentVolumeStrategy,
  podDisruptionBudgetStrategy,
  priorityClassStrategy,
  runtimeClassStrategy,
  storageClassStrategy,
  volumeAttachmentStrategy,
} from "./more-strategies.ts";
import { podStrategy } from "./pod-strategy.ts";
import { roleBindingStrategy, roleStrategy } from "./rbac-strategies.ts";
import { serviceStrategy } from "./service-strategy.ts";
import {
  controllerRevisionStrategy,
  daemonSetStrategy,
  deploymentStrategy,
  podTemplateStrategy,
  replicaSetStrategy,
  replicationControllerStrategy,
  statefulSetStrategy,
} from "./workload-strategies.ts";

/** `apiVersion/Kind` → what its schema does not say. */
export const strategies: ReadonlyMap<string, BuiltinStrategy<never>> = new Map<string, BuiltinStrategy<never>>([
  ["v1/ConfigMap", configMapStrategy],
  ["v1/Endpoints", endpointsStrategy],
  ["v1/Event", eventStrategy],
  ["v1/Namespace", namespaceStrategy],
  ["v1/Node", nodeStrategy],
  ["v1/PersistentVolume", persistentVolumeStrategy],
  ["v1/PersistentVolumeClaim", persistentVolumeClaimStrategy],
  ["v1/Pod", podStrategy],
  ["v1/PodTemplate", podTemplateStrategy],
  ["v1/ReplicationController", replicationControllerStrategy],
  ["v1/Secret", secretStrategy],
  ["v1/Service", serviceStrategy],
  ["apps/v1/ControllerRevision", controllerRevisionStrategy],
  ["apps/v1/DaemonSet", daemonSetStrategy],
  ["apps/v1/Deployment", deploymentStrategy],
  ["apps/v1/ReplicaSet", replicaSetStrategy],
  ["apps/v1/StatefulSet", statefulSetStrategy],
  ["apiextensions.k8s.io/v1/CustomResourceDefinition", crdStrategy],
  ["autoscaling/v2/HorizontalPodAutoscaler", autoscalerStrategy],
  ["batch/v1/CronJob", cronJobStrategy],
  ["batch/v1/Job", jobStrategy],
  ["certificates.k8s.io/v1/CertificateSigningRequest", certificateSigningRequestStrategy],
  ["coordination.k8s.io/v1/Lease", leaseStrategy],
  ["discovery.k8s.io/v1/EndpointSlice", endpointSliceStrategy],
  ["events.k8s.io/v1/Event", groupEventStrategy],
  ["networking.k8s.io/v1/IngressClass", ingressClassStrategy],
  ["networking.k8s.io/v1/NetworkPolicy", networkPolicyStrategy],
  ["node.k8s.io/v1/RuntimeClass", runtimeClassStrategy],
  ["policy/v1/PodDisruptionBudget", podDisruptionBudgetStrategy],
  ["rbac.authorization.k8s.io/v1/ClusterRole", roleStrategy],
  ["rbac.authorization.k8s.io/v1/ClusterRoleBinding", roleBindingStrategy],
  ["rbac.authorization.k8s.io/v1/Role", roleStrategy],
  ["rbac.authorization.k8s.io/v1/RoleBinding", roleBindingStrategy],
  ["scheduling.k8s.io/v1/PriorityClass", priorityClassStrategy],
  ["storage.k8s.io/v1/CSIDriver", csiDriverStrategy],
  ["storage.k8s.io/v1/StorageClass", storageClassStrategy],
  ["storage.k8s.io/v1/VolumeAttachment", volumeAttachmentStrategy],
]);
