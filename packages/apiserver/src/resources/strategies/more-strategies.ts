import {
  defaultPodTemplate,
  type CronJob,
  type CSIDriver,
  equalJson,
  type FieldError,
  forbiddenError,
  invalidError,
  type HorizontalPodAutoscaler,
  type IngressClass,
  type Job,
  type JobSpec,
  type NetworkPolicy,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type PodDisruptionBudget,
  type PriorityClass,
  requiredError,
  type RuntimeClass,
  type StorageClass,
  type VolumeAttachment,
} from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";
import { countOrPercentErrors, labelSelectorErrors, templateErrors } from "../validation/workload-validation.ts";

export const persistentVolumeStrategy: BuiltinStrategy<PersistentVolume> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.persistentVolumeReclaimPolicy ||= "Retain";
    spec.volumeMode ||= "Filesystem";
    if (spec.hostPath !== undefined) spec.hostPath.type ??= "";
  },
  prepareCreate: (volume) => void Object.assign(volume, { status: { phase: "Pending" } }),
  validate({ spec }) {
    const errors: FieldError[] = [];
    if ((spec?.accessModes ?? []).length === 0) errors.push(requiredError("spec.accessModes"));
    if (spec?.capacity?.["storage"] === undefined) errors.push(requiredError("spec.capacity"));
    return errors;
  },
};

export const persistentVolumeClaimStrategy: BuiltinStrategy<PersistentVolumeClaim> = {
  applyDefaults({ spec }) {
    if (spec !== undefined) spec.volumeMode ||= "Filesystem";
  },
  prepareCreate: (claim) => void Object.assign(claim, { status: { phase: "Pending" } }),
  validate({ spec }) {
    const errors: FieldError[] = [];
    if ((spec?.accessModes ?? []).length === 0)
      errors.push(requiredError("spec.accessModes", "at least 1 access mode is required"));
    if (spec?.resources?.requests?.["storage"] === undefined) errors.push(requiredError("spec.resources[storage]"));
    return errors;
  },
  validateUpdate: ({ spec }, { spec: old }) =>
    equalJson(fixedOfClaim(spec, old), fixedOfClaim(old, old))
      ? []
      : [
          forbiddenError(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
          ),
        ],
};

type ClaimSpec = PersistentVolumeClaim["spec"];

/** What of a claim must stay: it may grow, and be bound once. */
function fixedOfClaim(spec: ClaimSpec, old: ClaimSpec): unknown {
  const { resources, volumeName, storageClassName, ...rest } = { ...spec };
  const { volumeAttributesClassName: _changeable, ...fixed } = rest as { volumeAttributesClassName?: string };
  return {
    ...fixed,
    ...(old?.volumeName && { volumeName }),
    ...(old?.storageClassName !== undefined && { storageClassName }),
    limits: resources?.limits,
  };
}

export const storageClassStrategy: BuiltinStrategy<StorageClass> = {
  applyDefaults(storageClass) {
    storageClass.reclaimPolicy ||= "Delete";
    storageClass.volumeBindingMode ||= "Immediate";
  },
  validate: ({ provisioner }) => (provisioner ? [] : [requiredError("provisioner")]),
  validateUpdate({ parameters, provisioner }, old) {
    const errors: FieldError[] = [];
    if (!equalJson(parameters, old.parameters))
      errors.push(invalidError("parameters", parameters, "updates to parameters are forbidden."));
    if (provisioner !== old.provisioner) errors.push(invalidError("provisioner", provisioner, "field is immutable"));
    return errors;
  },
};

export const csiDriverStrategy: BuiltinStrategy<CSIDriver> = {
  applyDefaults({ spec }) {
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ||= "ReadWriteOnceWithFSType";
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ["Persistent"];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
};

export const volumeAttachmentStrategy: BuiltinStrategy<VolumeAttachment> = {
  prepareCreate: (attachment) => void Object.assign(attachment, { status: { attached: false } }),
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (!spec?.attacher) errors.push(requiredError("spec.attacher"));
    if (!spec?.nodeName) errors.push(requiredError("spec.nodeName"));
    return errors;
  },
  validateUpdate: ({ spec }, old) =>
    equalJson(spec, old.spec) ? [] : [invalidError("spec", spec, "field is immutable")],
};

export const priorityClassStrategy: BuiltinStrategy<PriorityClass> = {
  applyDefaults(priority) {
    priority.preemptionPolicy ||= "PreemptLowerPriority";
  },
  validateUpdate: ({ value }, old) =>
    value === old.value ? [] : [forbiddenError("value", "may not be changed in an update.")],
};

export const runtimeClassStrategy: BuiltinStrategy<RuntimeClass> = {
  validate: ({ handler }) => (handler ? [] : [requiredError("handler")]),
  validateUpdate: ({ handler }, old) =>
    handler === old.handler ? [] : [invalidError("handler", handler, "field is immutable")],
};

export const networkPolicyStrategy: BuiltinStrategy<NetworkPolicy> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    if ((spec.policyTypes ?? []).length === 0)
      spec.policyTypes = (spec.egress ?? []).length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
    for (const { ports } of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
      for (const port of ports ?? []) port.protocol ||= "TCP";
  },
  validate: ({ spec }) =>
    spec?.podSelector === undefined ? [] : labelSelectorErrors(spec.podSelector, "spec.podSelector"),
};

export const podDisruptionBudgetStrategy: BuiltinStrategy<PodDisruptionBudget> = {
  validate({ spec }) {
    const errors: FieldError[] = [];
    for (const name of ["minAvailable", "maxUnavailable"] as const) {
      const value = spec?.[name];
      if (value !== undefined) errors.push(...countOrPercentErrors(value, `spec.${name}`));
    }
    if (spec?.minAvailable !== undefined && spec.maxUnavailable !== undefined)
      errors.push(invalidError("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
    if (spec?.selector !== undefined) errors.push(...labelSelectorErrors(spec.selector, "spec.selector"));
    return errors;
  },
};

export const ingressClassStrategy: BuiltinStrategy<IngressClass> = {
  applyDefaults({ spec }) {
    if (spec?.parameters !== undefined) spec.parameters.scope ||= "Cluster";
  },
};

export const autoscalerStrategy: BuiltinStrategy<HorizontalPodAutoscaler> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.minReplicas ??= 1;
    if ((spec.metrics ?? []).length === 0)
      spec.metrics = [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
      ];
  },
};

function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= 6;
  spec.completionMode ||= "NonIndexed";
  spec.suspend ??= false;
  spec.podReplacementPolicy ||= spec.podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed";
  defaultPodTemplate(spec.template);
}

export const jobStrategy: BuiltinStrategy<Job> = {
  applyDefaults(job) {
    if (job.spec === undefined) return;
    defaultJobSpec(job.spec);
    job.spec.manualSelector ??= false;
  },
  prepareCreate(job) {
    if (job.spec === undefined || job.spec.manualSelector === true) return;
    const { name = "", uid = "" } = job.metadata ?? {};
    const template = (job.spec.template ??= {});
    const metadata = (template.metadata ??= {});
    metadata.labels = {
      ...metadata.labels,
      "batch.kubernetes.io/controller-uid": uid,
      "batch.kubernetes.io/job-name": name,
      "controller-uid": uid,
      "job-name": name,
    };
    job.spec.selector = { matchLabels: { "batch.kubernetes.io/controller-uid": uid } };
    const own = (job.metadata ??= {});
    if (Object.keys(own.labels ?? {}).length === 0) own.labels = { ...metadata.labels };
  },
  validate: ({ spec }) => (spec === undefined ? [requiredError("spec")] : jobErrors(spec, "spec")),
  validateUpdate({ spec }, { spec: old }) {
    const errors: FieldError[] = [];
    const fixed = (field: string, value: unknown, before: unknown) => {
      if (!equalJson(value, before)) errors.push(invalidError(field, value, "field is immutable"));
    };
    fixed("spec.selector", spec?.selector, old?.selector);
    fixed("spec.completionMode", spec?.completionMode, old?.completionMode);
    if (spec?.completionMode !== "Indexed") fixed("spec.completions", spec?.completions, old?.completions);
    // A job that waits may still be told where its pods go.
    if (old?.suspend !== true) fixed("spec.template", spec?.template, old?.template);
    return errors;
  },
  selectableFields: ({ status }) => ({ "status.successful": String(status?.succeeded ?? 0) }),
};

function jobErrors({ template }: JobSpec, path: string): FieldError[] {
  const errors = templateErrors(template, `${path}.template`, [], false);
  if (template?.spec?.restartPolicy === "Always")
    errors.push({
      field: `${path}.template.spec.restartPolicy`,
      reason: "FieldValueRequired",
      message: 'Required value: valid values: "OnFailure", "Never"',
    });
  return errors;
}

export const cronJobStrategy: BuiltinStrategy<CronJob> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.concurrencyPolicy ||= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec !== undefined) defaultPodTemplate(spec.jobTemplate.spec.template);
  },
  validate({ spec }) {
    const errors: FieldError[] = spec?.schedule ? [] : [requiredError("spec.schedule")];
    if (spec?.jobTemplate?.spec !== undefined)
      errors.push(...jobErrors(spec.jobTemplate.spec, "spec.jobTemplate.spec"));
    return errors;
  },
};
