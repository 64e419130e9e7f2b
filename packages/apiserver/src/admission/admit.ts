import type { KubeObject, Namespace, PersistentVolumeClaim, Pod, Service } from "@kedge/kube";
import type { ApiContext } from "../rest/api-context.ts";
import type { ResourceRequest } from "../rest/resource-request.ts";
import type { LogWriter } from "../storage/revision-log.ts";
import { recordRequester } from "./certificate-requester.ts";
import { addCleanupFinalizer } from "./crd-finalizer.ts";
import { addDefaultTolerations } from "./default-tolerations.ts";
import { addDefaultServiceAccount, checkNamespaceDeletion, checkNamespaceOpen } from "./namespace-lifecycle.ts";
import { checkEscalation } from "./rbac-escalation.ts";
import { setPodPriority } from "./pod-priority.ts";
import { setPodRuntimeClass } from "./pod-runtime-class.ts";
import { setPodServiceAccount } from "./pod-service-account.ts";
import { allocateServiceAddresses } from "./service-addresses.ts";
import { protectInUse, setDefaultStorageClass } from "./storage-admission.ts";

/** What admission may look at; it runs inside the transaction that writes the object. */
export interface Admission {
  readonly writer: LogWriter;
  readonly context: ApiContext;
  readonly request: ResourceRequest;
  /** About to be checked and stored; may be changed in place. */
  readonly object: KubeObject;
}

/** What a cluster adds to, or refuses of, new objects. @throws KubeApiError */
export function admitCreate(admission: Admission): void {
  checkNamespaceOpen(admission);
  checkEscalation(admission);
  const { object, request } = admission;
  switch (builtinResource(request)) {
    case "pods":
      setPodServiceAccount(admission, object as Pod);
      setPodPriority(admission, object as Pod);
      addDefaultTolerations(object as Pod);
      setPodRuntimeClass(admission, object as Pod);
      break;
    case "services":
      allocateServiceAddresses(admission, object as Service);
      break;
    case "persistentvolumeclaims":
      setDefaultStorageClass(admission, object as PersistentVolumeClaim);
      protectInUse(object, "claim");
      break;
    case "persistentvolumes":
      protectInUse(object, "volume");
      break;
    case "namespaces":
      addDefaultServiceAccount(admission, object as Namespace);
      break;
    case "customresourcedefinitions.apiextensions.k8s.io":
      addCleanupFinalizer(object);
      break;
    case "certificatesigningrequests.certificates.k8s.io":
      recordRequester(admission);
      break;
    default:
  }
}

/** @throws KubeApiError */
export function admitUpdate(admission: Admission & { readonly old: KubeObject }): void {
  checkEscalation(admission);
  if (builtinResource(admission.request) === "services")
    allocateServiceAddresses(admission, admission.object as Service);
}

/** @throws KubeApiError */
export function admitDelete(admission: Omit<Admission, "object">): void {
  if (builtinResource(admission.request) === "namespaces") checkNamespaceDeletion(admission.request);
}

function builtinResource({ definition }: ResourceRequest): string {
  const { group, resource } = definition.type;
  return group === "" ? resource : `${resource}.${group}`;
}
