import {
  defaultPodSpec,
  dnsLabelProblem,
  duplicateError,
  type EphemeralContainer,
  equalJson,
  type FieldError,
  forbiddenError,
  invalidError,
  notFoundError,
  type Pod,
  PODS,
  type PodSpec,
  requiredError,
} from "@kedge/kube";
import { invalid } from "../status-error.ts";
import { countChange } from "./count-change.ts";
import { partOfObject } from "./part-of-object.ts";

const FIELD = "spec.ephemeralContainers";
const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
/** What makes no sense for who only looks. */
const FORBIDDEN = [
  "ports",
  "livenessProbe",
  "readinessProbe",
  "startupProbe",
  "lifecycle",
  "resources",
  "resizePolicy",
] as const;

/** `pods/<name>/ephemeralcontainers`: containers to look into a running pod; they are only ever added. */
export const addEphemeralContainers = partOfObject((object, next) => {
  const pod = object as Pod;
  const { spec } = pod;
  if (spec === undefined) return;
  const added = { ...spec, ephemeralContainers: (next as Pod).spec?.ephemeralContainers ?? [] };
  added.ephemeralContainers = added.ephemeralContainers.map((container) => ({ resources: {}, ...container }));
  defaultPodSpec(added);
  const errors = errorsOf(pod, spec, added.ephemeralContainers);
  if (errors.length > 0) throw invalid(PODS, pod.metadata?.name ?? "", errors);
  if (!equalJson(added, spec)) countChange(pod);
  pod.spec = added;
});

function errorsOf({ metadata }: Pod, old: PodSpec, containers: readonly EphemeralContainer[]): FieldError[] {
  if (metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined)
    return [forbiddenError("", "static pods do not support ephemeral containers")];
  const errors: FieldError[] = [];
  for (const before of old.ephemeralContainers ?? []) {
    const now = containers.find(({ name }) => name === before.name);
    if (now === undefined)
      errors.push(
        forbiddenError(FIELD, `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed`),
      );
    else if (!equalJson(now, before))
      errors.push(
        forbiddenError(FIELD, `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed`),
      );
  }
  const others = [...(old.initContainers ?? []), ...old.containers].map(({ name }) => name);
  const names = new Set(others);
  for (const [index, container] of containers.entries()) {
    const field = `${FIELD}[${index}]`;
    const problem = dnsLabelProblem(container.name ?? "");
    if (!container.name) errors.push(requiredError(`${field}.name`));
    else if (problem !== undefined) errors.push(invalidError(`${field}.name`, container.name, problem));
    else if (names.has(container.name)) errors.push(duplicateError(`${field}.name`, container.name));
    names.add(container.name);
    if (!container.image) errors.push(requiredError(`${field}.image`));
    const target = container.targetContainerName ?? "";
    if (target !== "" && !others.includes(target)) errors.push(notFoundError(`${field}.targetContainerName`, target));
    for (const member of FORBIDDEN)
      if (Object.keys(container[member] ?? {}).length > 0)
        errors.push(forbiddenError(`${field}.${member}`, "cannot be set for an Ephemeral Container"));
  }
  return errors;
}
