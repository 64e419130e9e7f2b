import { canonicalJson, cloneJson, defaultPodOnly, defaultPodSpec, type Pod, type PodSpec } from "@kedge/kube";
import { parseNano } from "../resources/quantity.ts";

/** Who made a pod wrote none of these: the API server did, or a kubelet. */
const FILLED_IN: readonly (keyof PodSpec)[] = [
  "nodeName",
  "schedulerName",
  "priority",
  "preemptionPolicy",
  "serviceAccount",
  "serviceAccountName",
  "tolerations",
];
/** Of all others `false` says something else than nothing. */
const FALSE_IS_ABSENT = ["hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"];
const CONFIG_ANNOTATION = /^kubernetes\.io\/config\./;

/**
 * Whether a static pod's copy in the API was made from this very pod: what a file says, and what anybody could add to it,
 * aside. So a pod that another agent began under a uid of its own is known again.
 */
export function isCopyOf(mirror: Pod, pod: Pod): boolean {
  return canonicalJson(intentOf(mirror)) === canonicalJson(intentOf(pod));
}

function intentOf({ metadata = {}, spec }: Pod): object {
  const intent = cloneJson(spec ?? { containers: [] });
  defaultPodSpec(intent);
  defaultPodOnly(intent);
  for (const member of FILLED_IN) delete intent[member];
  for (const container of [...(intent.initContainers ?? []), ...intent.containers]) {
    container.resources ??= {};
    for (const list of [container.resources.limits, container.resources.requests])
      for (const [name, quantity] of Object.entries(list ?? {}))
        if (list !== undefined) list[name] = String(parseNano(quantity)); // 0.5 is 500m
  }
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => !CONFIG_ANNOTATION.test(key));
  return withoutEmpty({
    labels: metadata.labels,
    annotations: Object.fromEntries(annotations),
    spec: intent,
  }) as object;
}

/** An API server leaves out what is empty. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, member]) => [key, withoutEmpty(member)] as const)
      .filter(([key, member]) => !isEmpty(member) && !(member === false && FALSE_IS_ABSENT.includes(key))),
  );
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
