import type { KubeObject } from "@kedge/kube";
import { CRD_FINALIZER } from "../registry/crd-status.ts";

/** From the first moment on: a definition must not go before its objects. */
export function addCleanupFinalizer(object: KubeObject): void {
  const finalizers = object.metadata?.finalizers ?? [];
  if (!finalizers.includes(CRD_FINALIZER))
    object.metadata = { ...object.metadata, finalizers: [...finalizers, CRD_FINALIZER] };
}
