/** Kubernetes' own types, under their own names: the compiler's, nothing of this exists at run time. */
export type * from "kubernetes-types/core/v1.js";
export type { ContainerRestartRule } from "./newer-fields.ts";
export type {
  Condition,
  DeleteOptions,
  LabelSelector,
  LabelSelectorRequirement,
  ListMeta,
  ManagedFieldsEntry,
  MicroTime,
  ObjectMeta,
  OwnerReference,
  Time,
} from "kubernetes-types/meta/v1.js";
export type {
  ControllerRevision,
  DaemonSet,
  DaemonSetSpec,
  Deployment,
  DeploymentCondition,
  DeploymentSpec,
  ReplicaSet,
  StatefulSet,
} from "kubernetes-types/apps/v1.js";
export type { Lease } from "kubernetes-types/coordination/v1.js";
export type { CertificateSigningRequest } from "kubernetes-types/certificates/v1.js";
export type { Endpoint, EndpointSlice } from "kubernetes-types/discovery/v1.js";
export type { TokenRequest, TokenReview } from "kubernetes-types/authentication/v1.js";
export type { SubjectAccessReview } from "kubernetes-types/authorization/v1.js";
export type { CSIDriver, CSINode, CSINodeDriver, StorageClass, VolumeAttachment } from "kubernetes-types/storage/v1.js";
export type { CustomResourceDefinition } from "kubernetes-types/apiextensions/v1.js";
export type { CronJob, Job, JobSpec } from "kubernetes-types/batch/v1.js";
export type { Ingress, IngressClass, NetworkPolicy } from "kubernetes-types/networking/v1.js";
export type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from "kubernetes-types/rbac/v1.js";
export type { PriorityClass } from "kubernetes-types/scheduling/v1.js";
export type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js";
export type { RuntimeClass } from "kubernetes-types/node/v1.js";
export type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
