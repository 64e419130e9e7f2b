import type { Event } from "@kedge/kube";
import { CREATED_AT_PRINTER, PLAIN_PRINTER, type Printer } from "../printing.ts";
import * as core from "./core-printers.ts";
import * as more from "./more-printers.ts";
import { podPrinter } from "./pod-printer.ts";
import * as workload from "./workload-printers.ts";

/** `apiVersion/Kind` → how it is shown. Kinds that are not here show name and age. */
export const printers: ReadonlyMap<string, Printer<never>> = new Map<string, Printer<never>>([
  ["v1/ConfigMap", core.configMapPrinter],
  ["v1/Endpoints", core.endpointsPrinter],
  ["v1/Event", core.eventPrinter],
  ["v1/LimitRange", CREATED_AT_PRINTER],
  ["v1/Namespace", core.namespacePrinter],
  ["v1/Node", core.nodePrinter],
  ["v1/PersistentVolume", core.persistentVolumePrinter],
  ["v1/PersistentVolumeClaim", core.persistentVolumeClaimPrinter],
  ["v1/Pod", podPrinter],
  ["v1/PodTemplate", workload.podTemplatePrinter],
  ["v1/ReplicationController", workload.replicationControllerPrinter],
  ["v1/ResourceQuota", core.resourceQuotaPrinter],
  ["v1/Secret", core.secretPrinter],
  ["v1/Service", core.servicePrinter],
  ["v1/ServiceAccount", PLAIN_PRINTER],
  ["apiextensions.k8s.io/v1/CustomResourceDefinition", CREATED_AT_PRINTER],
  ["apps/v1/ControllerRevision", workload.controllerRevisionPrinter],
  ["apps/v1/DaemonSet", workload.daemonSetPrinter],
  ["apps/v1/Deployment", workload.deploymentPrinter],
  ["apps/v1/ReplicaSet", workload.replicaSetPrinter],
  ["apps/v1/StatefulSet", workload.statefulSetPrinter],
  ["autoscaling/v2/HorizontalPodAutoscaler", more.autoscalerPrinter],
  ["batch/v1/CronJob", workload.cronJobPrinter],
  ["batch/v1/Job", workload.jobPrinter],
  ["certificates.k8s.io/v1/CertificateSigningRequest", more.certificateSigningRequestPrinter],
  ["coordination.k8s.io/v1/Lease", core.leasePrinter],
  ["discovery.k8s.io/v1/EndpointSlice", core.endpointSlicePrinter],
  ["events.k8s.io/v1/Event", core.eventPrinter satisfies Printer<Event>],
  ["networking.k8s.io/v1/Ingress", more.ingressPrinter],
  ["networking.k8s.io/v1/IngressClass", more.ingressClassPrinter],
  ["networking.k8s.io/v1/NetworkPolicy", more.networkPolicyPrinter],
  ["node.k8s.io/v1/RuntimeClass", more.runtimeClassPrinter],
  ["policy/v1/PodDisruptionBudget", more.podDisruptionBudgetPrinter],
  ["rbac.authorization.k8s.io/v1/ClusterRole", CREATED_AT_PRINTER],
  ["rbac.authorization.k8s.io/v1/ClusterRoleBinding", more.roleBindingPrinter],
  ["rbac.authorization.k8s.io/v1/Role", CREATED_AT_PRINTER],
  ["rbac.authorization.k8s.io/v1/RoleBinding", more.roleBindingPrinter],
  ["scheduling.k8s.io/v1/PriorityClass", more.priorityClassPrinter],
  ["storage.k8s.io/v1/CSIDriver", more.csiDriverPrinter],
  ["storage.k8s.io/v1/CSINode", more.csiNodePrinter],
  ["storage.k8s.io/v1/StorageClass", more.storageClassPrinter],
  ["storage.k8s.io/v1/VolumeAttachment", more.volumeAttachmentPrinter],
]);
