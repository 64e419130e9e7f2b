import {
  defaultPodTemplate,
  type DaemonSet,
  type Deployment,
  equalJson,
  type FieldError,
  forbiddenError,
  invalidError,
  type LabelSelector,
  type ReplicaSet,
  type ReplicationController,
  type StatefulSet,
  type ControllerRevision,
  type PodTemplate,
} from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";
import { countErrors, rollingCountErrors, selectorErrors, templateErrors } from "../validation/workload-validation.ts";

const REVISION_HISTORY = 10;

function selectorFixed(selector: LabelSelector | undefined, old: LabelSelector | undefined): FieldError[] {
  return equalJson(selector, old) ? [] : [invalidError("spec.selector", selector, "field is immutable")];
}

export const deploymentStrategy: BuiltinStrategy<Deployment> = {
  countsAnnotations: true,
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.replicas ??= 1;
    spec.strategy ??= {};
    spec.strategy.type ||= "RollingUpdate";
    if (spec.strategy.type === "RollingUpdate") {
      spec.strategy.rollingUpdate ??= {};
      spec.strategy.rollingUpdate.maxUnavailable ??= "25%";
      spec.strategy.rollingUpdate.maxSurge ??= "25%";
    }
    spec.revisionHistoryLimit ??= REVISION_HISTORY;
    spec.progressDeadlineSeconds ??= 600;
    defaultPodTemplate(spec.template);
  },
  validate({ spec }) {
    if (spec === undefined) return [];
    const { strategy } = spec;
    const errors = [
      ...selectorErrors(spec.selector, spec.template, "spec"),
      ...templateErrors(spec.template, "spec.template"),
      ...countErrors(spec.replicas, "spec.replicas"),
      ...countErrors(spec.minReadySeconds, "spec.minReadySeconds"),
      ...countErrors(spec.revisionHistoryLimit, "spec.revisionHistoryLimit"),
      ...countErrors(spec.progressDeadlineSeconds, "spec.progressDeadlineSeconds"),
    ];
    if ((spec.progressDeadlineSeconds ?? 600) <= (spec.minReadySeconds ?? 0))
      errors.push(
        invalidError(
          "spec.progressDeadlineSeconds",
          spec.progressDeadlineSeconds,
          "must be greater than minReadySeconds",
        ),
      );
    if (strategy?.type === "Recreate" && strategy.rollingUpdate !== undefined)
      errors.push(
        forbiddenError("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"),
      );
    else if (strategy?.rollingUpdate !== undefined)
      errors.push(...rollingCountErrors(strategy.rollingUpdate, "spec.strategy.rollingUpdate"));
    return errors;
  },
  validateUpdate: ({ spec }, old) => selectorFixed(spec?.selector, old.spec?.selector),
};

export const replicaSetStrategy: BuiltinStrategy<ReplicaSet> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.replicas ??= 1;
    defaultPodTemplate(spec.template);
  },
  validate({ spec }) {
    if (spec === undefined) return [];
    return [
      ...selectorErrors(spec.selector, spec.template, "spec"),
      ...templateErrors(spec.template, "spec.template"),
      ...countErrors(spec.replicas, "spec.replicas"),
      ...countErrors(spec.minReadySeconds, "spec.minReadySeconds"),
    ];
  },
  validateUpdate: ({ spec }, old) => selectorFixed(spec?.selector, old.spec?.selector),
  selectableFields: ({ status }) => ({ "status.replicas": String(status?.replicas ?? 0) }),
};

/** Older clients count a DaemonSet's templates by it. */
const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";

function setTemplateGeneration(set: DaemonSet, generation: number): void {
  const metadata = (set.metadata ??= {});
  metadata.annotations = { ...metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
}

export const daemonSetStrategy: BuiltinStrategy<DaemonSet> = {
  prepareCreate: (set) => setTemplateGeneration(set, 1),
  prepareUpdate(set, old) {
    const generation = Number(old.metadata?.annotations?.[TEMPLATE_GENERATION] ?? 1);
    const changed = !equalJson(set.spec?.template, old.spec?.template);
    setTemplateGeneration(set, changed ? generation + 1 : generation);
  },
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate") {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= REVISION_HISTORY;
    defaultPodTemplate(spec.template);
  },
  validate({ spec }) {
    if (spec === undefined) return [];
    const rolling = spec.updateStrategy?.rollingUpdate;
    return [
      ...selectorErrors(spec.selector, spec.template, "spec"),
      ...templateErrors(spec.template, "spec.template"),
      ...countErrors(spec.minReadySeconds, "spec.minReadySeconds"),
      ...countErrors(spec.revisionHistoryLimit, "spec.revisionHistoryLimit"),
      ...(rolling === undefined ? [] : rollingCountErrors(rolling, "spec.updateStrategy.rollingUpdate")),
    ];
  },
  validateUpdate: ({ spec }, old) => selectorFixed(spec?.selector, old.spec?.selector),
};

const STATEFUL_SET_FIXED =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

export const statefulSetStrategy: BuiltinStrategy<StatefulSet> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.podManagementPolicy ||= "OrderedReady";
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate") {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.partition ??= 0;
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= "Retain";
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= "Retain";
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= REVISION_HISTORY;
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion ||= "v1";
      claim.kind ||= "PersistentVolumeClaim";
      if (claim.spec !== undefined) claim.spec.volumeMode ||= "Filesystem";
      Object.assign(claim, { status: { phase: "Pending" } });
    }
    defaultPodTemplate(spec.template);
  },
  validate({ spec }) {
    if (spec === undefined) return [];
    return [
      ...selectorErrors(spec.selector, spec.template, "spec"),
      ...templateErrors(spec.template, "spec.template", claimVolumes(spec.volumeClaimTemplates)),
      ...countErrors(spec.replicas, "spec.replicas"),
      ...countErrors(spec.minReadySeconds, "spec.minReadySeconds"),
    ];
  },
  validateUpdate({ spec }, old) {
    return equalJson(fixedOfStatefulSet(spec), fixedOfStatefulSet(old.spec))
      ? []
      : [forbiddenError("spec", STATEFUL_SET_FIXED)];
  },
};

function claimVolumes(claims: StatefulSetClaims): string[] {
  return (claims ?? []).flatMap(({ metadata }) => metadata?.name ?? []);
}

type StatefulSetClaims = NonNullable<StatefulSet["spec"]>["volumeClaimTemplates"];

function fixedOfStatefulSet(spec: StatefulSet["spec"]): unknown {
  if (spec === undefined) return undefined;
  const { selector, serviceName, podManagementPolicy, volumeClaimTemplates } = spec;
  return { selector, serviceName, podManagementPolicy, volumeClaimTemplates };
}

export const replicationControllerStrategy: BuiltinStrategy<ReplicationController> = {
  applyDefaults(controller) {
    const { spec } = controller;
    if (spec === undefined) return;
    spec.replicas ??= 1;
    if (spec.minReadySeconds === 0) delete spec.minReadySeconds;
    const labels = spec.template?.metadata?.labels;
    if (labels !== undefined) {
      if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
      const metadata = (controller.metadata ??= {});
      if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
    }
    defaultPodTemplate(spec.template);
  },
  validate({ spec }) {
    if (spec === undefined) return [];
    return [...templateErrors(spec.template, "spec.template"), ...countErrors(spec.replicas, "spec.replicas")];
  },
  selectableFields: ({ status }) => ({ "status.replicas": String(status?.replicas ?? 0) }),
};

export const podTemplateStrategy: BuiltinStrategy<PodTemplate> = {
  applyDefaults: ({ template }) => defaultPodTemplate(template),
  validate: ({ template }) => templateErrors(template, "template", [], false),
};

export const controllerRevisionStrategy: BuiltinStrategy<ControllerRevision> = {
  validateUpdate: ({ data }, old) =>
    equalJson(data, old.data) ? [] : [invalidError("data", data, "field is immutable")],
};
