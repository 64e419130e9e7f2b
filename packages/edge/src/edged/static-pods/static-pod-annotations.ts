import type { Pod } from "@kedge/kube";

/** Which state of the file a static pod is of; it is the pod's uid, too. */
export const HASH_ANNOTATION = "kubernetes.io/config.hash";
/** Where a pod comes from: `file`, or `api`, which is not written. */
export const SOURCE_ANNOTATION = "kubernetes.io/config.source";
/** When the node first saw it. */
export const SEEN_ANNOTATION = "kubernetes.io/config.seen";
/** On the copy in the API: of which hash it is a copy. */
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/** The node runs this pod from a file. */
export function isStaticPod({ metadata }: Pod): boolean {
  const source = metadata?.annotations?.[SOURCE_ANNOTATION];
  return source !== undefined && source !== "api" && metadata?.annotations?.[MIRROR_ANNOTATION] === undefined;
}

/** What the API shows of a static pod; nobody runs it. */
export function isMirrorPod(pod: Pod): boolean {
  return mirroredHash(pod) !== undefined;
}

export function mirroredHash({ metadata }: Pod): string | undefined {
  return metadata?.annotations?.[MIRROR_ANNOTATION];
}

/** A pod of the API, whatever its author says of where it comes from: what is the node's own has rights that no other has. */
export function fromApi(pod: Pod): Pod {
  const { annotations } = pod.metadata ?? {};
  if ((annotations?.[SOURCE_ANNOTATION] ?? "api") === "api") return pod;
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...annotations, [SOURCE_ANNOTATION]: "api" } } };
}
