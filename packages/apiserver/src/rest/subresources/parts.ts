import type { CertificateSigningRequest, Namespace } from "@kedge/kube";
import { timestamp } from "../timestamp.ts";
import { partOfObject } from "./part-of-object.ts";

/** `namespaces/<name>/finalize`: the namespace controller says what it has done. The last finalizer's end is the namespace's. */
export const finalizeNamespace = partOfObject((object, next) => {
  const finalizers = (next as Namespace).spec?.finalizers ?? [];
  (object as Namespace).spec = { ...(object as Namespace).spec, finalizers: [...finalizers] };
});

/** `certificatesigningrequests/<name>/approval`: the conditions, and who set them when. */
export const approveCertificate = partOfObject((object, next, { clock }) => {
  const request = object as CertificateSigningRequest;
  const now = timestamp(clock.now());
  const conditions = ((next as CertificateSigningRequest).status?.conditions ?? []).map((condition) => ({
    ...condition,
    lastUpdateTime: condition.lastUpdateTime ?? now,
    lastTransitionTime: condition.lastTransitionTime ?? now,
  }));
  request.status = { ...request.status, conditions };
});
