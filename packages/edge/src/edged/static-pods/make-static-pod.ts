import { createHash } from "node:crypto";
import { canonicalJson, type Pod } from "@kedge/kube";
import { HASH_ANNOTATION, SEEN_ANNOTATION, SOURCE_ANNOTATION } from "./static-pod-annotations.ts";

/** Static pods stay whatever is wrong with the node. */
const STAYS = { operator: "Exists", effect: "NoExecute" } as const;

/** A digest of what the pod is, on which node and from which file: another one is another pod. */
export function staticPodUid(pod: Pod, nodeName: string, path: string): string {
  const hash = createHash("md5"); // as long as a kubelet's; nobody trusts it for more than being another one
  return hash.update(`${canonicalJson(pod)}host:${nodeName}file:${path}`).digest("hex");
}

/** The parsed pod as the node runs it. @see `edge-runtime` §2.8, static pods */
export function makeStaticPod(pod: Pod, uid: string, nodeName: string, seen: string): Pod {
  const { metadata = {}, spec } = pod;
  const tolerations = spec?.tolerations ?? [];
  const isThere = tolerations.some(
    ({ key = "", operator, effect }) => key === "" && operator === STAYS.operator && effect === STAYS.effect,
  );
  return {
    ...pod,
    metadata: {
      ...metadata,
      name: `${metadata.name}-${nodeName.toLowerCase()}`,
      uid,
      annotations: {
        ...metadata.annotations,
        [HASH_ANNOTATION]: uid,
        [SEEN_ANNOTATION]: seen,
        [SOURCE_ANNOTATION]: "file",
      },
    },
    spec: {
      ...spec,
      containers: spec?.containers ?? [],
      nodeName,
      tolerations: isThere ? tolerations : [...tolerations, { ...STAYS }],
    },
  };
}
