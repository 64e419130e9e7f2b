import {
  defaultPodOnly,
  defaultPodSpec,
  cloneJson,
  equalJson,
  type FieldError,
  forbiddenError,
  type Pod,
  type PodSpec,
  type Toleration,
} from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";
import { podSpecErrors, tokenErrors } from "../validation/pod-spec-validation.ts";
import { qosClassOf } from "./pod-qos.ts";

export const podStrategy: BuiltinStrategy<Pod> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    defaultPodSpec(spec);
    defaultPodOnly(spec);
  },
  prepareCreate(pod) {
    const qos = pod.spec === undefined ? {} : { qosClass: qosClassOf(pod.spec) };
    Object.assign(pod, { status: { phase: "Pending", ...qos } });
  },
  prepareStatusUpdate(pod, old) {
    const qosClass = old.status?.qosClass;
    if (qosClass !== undefined && pod.status !== undefined) pod.status.qosClass ??= qosClass;
  },
  validate: ({ spec }) => [...podSpecErrors(spec, "spec"), ...tokenErrors(spec, "spec")],
  validateUpdate: (pod, old) => updateErrors(pod, old),
  selectableFields: ({ spec, status }) => ({
    "spec.nodeName": spec?.nodeName ?? "",
    "spec.restartPolicy": spec?.restartPolicy ?? "",
    "spec.schedulerName": spec?.schedulerName ?? "",
    "spec.serviceAccountName": spec?.serviceAccountName ?? "",
    "spec.hostNetwork": String(spec?.hostNetwork ?? false),
    "status.phase": status?.phase ?? "",
    "status.podIP": status?.podIP ?? "",
    "status.nominatedNodeName": status?.nominatedNodeName ?? "",
  }),
};

const MAY_CHANGE =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

function updateErrors({ spec }: Pod, { spec: old }: Pod): FieldError[] {
  if (spec === undefined || old === undefined) return [];
  const errors: FieldError[] = [];
  if (!onlyAdds(spec.tolerations, old.tolerations))
    errors.push(
      forbiddenError("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"),
    );
  if (!equalJson(fixedPart(spec), fixedPart(old))) errors.push(forbiddenError("spec", MAY_CHANGE));
  return errors;
}

/** What of a pod's spec must stay as it is. */
function fixedPart(spec: PodSpec): PodSpec {
  const fixed = cloneJson(spec);
  for (const container of [...(fixed.containers ?? []), ...(fixed.initContainers ?? [])]) delete container.image;
  delete fixed.activeDeadlineSeconds;
  delete fixed.tolerations;
  // Gates may be lifted, and debugging containers come by a subresource that is validated on its own.
  delete fixed.schedulingGates;
  delete fixed.ephemeralContainers;
  if ((fixed.terminationGracePeriodSeconds ?? 0) < 0) fixed.terminationGracePeriodSeconds = 1;
  return fixed;
}

function onlyAdds(tolerations: readonly Toleration[] = [], old: readonly Toleration[] = []): boolean {
  const lessSeconds = ({ key, operator, value, effect }: Toleration) => ({ key, operator, value, effect });
  return old.every((each) => tolerations.some((kept) => equalJson(lessSeconds(kept), lessSeconds(each))));
}
