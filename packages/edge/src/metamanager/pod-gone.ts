import { KubeApiError, type KubeObject, type ObjectKey } from "@kedge/kube";

/**
 * Whether the API server itself says, of a patch with the pod's uid, that there is no such pod any more, or that another
 * one has its name. A 404 of a path, a namespace or a proxy names no pod, and means nothing.
 */
export function isPodGone(error: unknown, key: ObjectKey): boolean {
  if (!(error instanceof KubeApiError)) return false;
  const { details, message = "" } = error.status;
  if (details?.name !== key.name) return false;
  switch (error.code) {
    case "NotFound":
      return details.kind === "pods";
    case "Conflict":
      return /\bUID in precondition\b/i.test(message);
    case "Invalid": // so says a real API server to a patch of the status
      return details.causes?.some(({ field }) => field === "metadata.uid") === true;
    default:
      return false;
  }
}

/** Static pods are the node's own: what the API has of them are images, whose end ends nothing. */
export function isOwnedByNode({ metadata }: KubeObject): boolean {
  const { "kubernetes.io/config.mirror": mirror, "kubernetes.io/config.source": source = "api" } =
    metadata?.annotations ?? {};
  return mirror !== undefined || source !== "api";
}
