import {
  type Container,
  defaultPodOnly,
  equalJson,
  type FieldError,
  forbiddenError,
  invalidError,
  isJsonObject,
  type Pod,
  PODS,
  type PodSpec,
} from "@kedge/kube";
import { qosClassOf } from "../../resources/strategies/pod-qos.ts";
import { podSpecErrors } from "../../resources/validation/pod-spec-validation.ts";
import { invalid } from "../status-error.ts";
import { countChange } from "./count-change.ts";
import { partOfObject } from "./part-of-object.ts";

const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
const RESIZABLE = ["cpu", "memory"];

/** `pods/<name>/resize`: CPU and memory of containers as they run. @see Kubernetes' own rules of what may change. */
export const resizePod = partOfObject((object, next) => {
  const pod = object as Pod;
  const wanted = (next as Pod).spec;
  const name = pod.metadata?.name ?? "";
  const { spec } = pod;
  const errors = spec === undefined || wanted === undefined ? [] : errorsOf(pod, spec, wanted);
  if (errors.length > 0) throw invalid(PODS, name, errors);
  if (spec === undefined || wanted === undefined) return;
  pod.spec = {
    ...spec,
    containers: spec.containers.map((container, index) => resized(container, wanted.containers[index])),
    ...(spec.initContainers !== undefined && {
      initContainers: spec.initContainers.map((container, index) => resized(container, wanted.initContainers?.[index])),
    }),
  };
  defaultPodOnly(pod.spec);
  const problems = podSpecErrors(pod.spec, "spec");
  if (qosClassOf(pod.spec) !== qosClassOf(spec))
    problems.push(
      invalidError("spec", pod.status?.qosClass ?? "", "Pod QOS Class may not change as a result of resizing"),
    );
  if (problems.length > 0) throw invalid(PODS, name, problems);
  if (!equalJson(pod.spec, spec)) countChange(pod);
});

function resized(container: Container, wanted: Container | undefined): Container {
  return wanted?.resources === undefined ? container : { ...container, resources: wanted.resources };
}

function errorsOf({ metadata }: Pod, spec: PodSpec, wanted: PodSpec): FieldError[] {
  if (metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined)
    return [forbiddenError("", "static pods cannot be resized")];
  const errors: FieldError[] = [];
  for (const list of ["initContainers", "containers"] as const) {
    const [before, after] = [spec[list] ?? [], wanted[list] ?? []];
    if (!equalJson(namesOf(before), namesOf(after))) {
      errors.push(forbiddenError(`spec.${list}`, "containers may not be renamed or reordered on resize"));
      continue;
    }
    for (const [index, container] of before.entries())
      errors.push(...containerErrors(container, after[index] ?? container, list, index));
  }
  return errors;
}

const namesOf = (containers: readonly Container[]) => containers.map(({ name }) => name);

function containerErrors(before: Container, after: Container, list: string, index: number): FieldError[] {
  const errors: FieldError[] = [];
  const mayChange = list === "containers" || before.restartPolicy === "Always";
  if (!equalJson(without(before, mayChange), without(after, mayChange)))
    errors.push(forbiddenError("spec", "only cpu and memory resources are mutable"));
  for (const bound of ["requests", "limits"] as const) {
    const [old, now] = [before.resources?.[bound] ?? {}, after.resources?.[bound] ?? {}];
    if (Object.keys(old).some((name) => !Object.hasOwn(now, name)))
      errors.push(forbiddenError(`spec.${list}[${index}].resources.${bound}`, `resource ${bound} cannot be removed`));
  }
  return errors;
}

/** What of a container's resources must stay as it is. All else of it is not looked at. */
function without({ resources = {} }: Container, mayChange: boolean): object {
  if (!mayChange) return resources;
  const others: [string, unknown][] = Object.entries(resources).map(([member, list]: [string, unknown]) => [
    member,
    isJsonObject(list) ? fixed(list) : list,
  ]);
  return Object.fromEntries(others.filter(([, list]) => !isEmpty(list)));
}

function fixed(list: object): object {
  return Object.fromEntries(Object.entries(list).filter(([name]) => !RESIZABLE.includes(name)));
}

function isEmpty(value: unknown): boolean {
  return isJsonObject(value) && Object.keys(value).length === 0;
}
