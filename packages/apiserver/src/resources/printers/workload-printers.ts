import {
  type Container,
  controllerOf,
  type ControllerRevision,
  type CronJob,
  type DaemonSet,
  type Deployment,
  isConditionTrue,
  type Job,
  type PodTemplate,
  type PodTemplateSpec,
  type ReplicaSet,
  type ReplicationController,
  type StatefulSet,
} from "@kedge/kube";
import {
  AGE_COLUMN,
  ageOf,
  BOOLEAN,
  column,
  formatLabels,
  humanDuration,
  INTEGER,
  NAME_COLUMN,
  nameOf,
  NONE,
  type Printer,
  selectorText,
  since,
  WIDE,
} from "../printing.ts";

const CONTAINERS = column("Containers", "Names of the template's containers.", WIDE);
const IMAGES = column("Images", "Images of the template's containers.", WIDE);
const SELECTOR = column("Selector", "Which pods belong to it.", WIDE);

function namesOf(template: PodTemplateSpec | undefined, member: "name" | "image"): string {
  const containers: readonly Container[] = template?.spec?.containers ?? [];
  return containers.map((container) => container[member] ?? "").join(",");
}

export const deploymentPrinter: Printer<Deployment> = {
  columns: [
    NAME_COLUMN,
    column("Ready", "Pods that are ready, of those wanted."),
    column("Up-to-date", "Pods made from the newest template."),
    column("Available", "Pods that have been ready for long enough."),
    AGE_COLUMN,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  cells: (deployment, nowMs) => {
    const { spec, status } = deployment;
    return [
      nameOf(deployment),
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      status?.updatedReplicas ?? 0,
      status?.availableReplicas ?? 0,
      ageOf(deployment, nowMs),
      namesOf(spec?.template, "name"),
      namesOf(spec?.template, "image"),
      selectorText(spec?.selector),
    ];
  },
};

const REPLICA_COLUMNS = [
  NAME_COLUMN,
  column("Desired", "Pods wanted.", INTEGER),
  column("Current", "Pods that exist.", INTEGER),
  column("Ready", "Pods that are ready.", INTEGER),
  AGE_COLUMN,
  CONTAINERS,
  IMAGES,
  SELECTOR,
];

export const replicaSetPrinter: Printer<ReplicaSet> = {
  columns: REPLICA_COLUMNS,
  cells: (set, nowMs) => [
    nameOf(set),
    set.spec?.replicas ?? 0,
    set.status?.replicas ?? 0,
    set.status?.readyReplicas ?? 0,
    ageOf(set, nowMs),
    namesOf(set.spec?.template, "name"),
    namesOf(set.spec?.template, "image"),
    selectorText(set.spec?.selector),
  ],
};

export const replicationControllerPrinter: Printer<ReplicationController> = {
  columns: REPLICA_COLUMNS,
  cells: (controller, nowMs) => [
    nameOf(controller),
    controller.spec?.replicas ?? 0,
    controller.status?.replicas ?? 0,
    controller.status?.readyReplicas ?? 0,
    ageOf(controller, nowMs),
    namesOf(controller.spec?.template, "name"),
    namesOf(controller.spec?.template, "image"),
    formatLabels(controller.spec?.selector),
  ],
};

export const statefulSetPrinter: Printer<StatefulSet> = {
  columns: [NAME_COLUMN, column("Ready", "Pods that are ready, of those wanted."), AGE_COLUMN, CONTAINERS, IMAGES],
  cells: (set, nowMs) => [
    nameOf(set),
    `${set.status?.readyReplicas ?? 0}/${set.spec?.replicas ?? 0}`,
    ageOf(set, nowMs),
    namesOf(set.spec?.template, "name"),
    namesOf(set.spec?.template, "image"),
  ],
};

export const daemonSetPrinter: Printer<DaemonSet> = {
  columns: [
    NAME_COLUMN,
    column("Desired", "Nodes that should run a pod of it.", INTEGER),
    column("Current", "Nodes that run one.", INTEGER),
    column("Ready", "Nodes whose pod is ready.", INTEGER),
    column("Up-to-date", "Nodes whose pod is made from the newest template.", INTEGER),
    column("Available", "Nodes whose pod has been ready for long enough.", INTEGER),
    column("Node Selector", "Labels that a node must have."),
    AGE_COLUMN,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  cells: (set, nowMs) => [
    nameOf(set),
    set.status?.desiredNumberScheduled ?? 0,
    set.status?.currentNumberScheduled ?? 0,
    set.status?.numberReady ?? 0,
    set.status?.updatedNumberScheduled ?? 0,
    set.status?.numberAvailable ?? 0,
    formatLabels(set.spec?.template?.spec?.nodeSelector),
    ageOf(set, nowMs),
    namesOf(set.spec?.template, "name"),
    namesOf(set.spec?.template, "image"),
    selectorText(set.spec?.selector),
  ],
};

export const podTemplatePrinter: Printer<PodTemplate> = {
  columns: [
    NAME_COLUMN,
    column("Containers", "Names of the template's containers."),
    column("Images", "Images of the template's containers."),
    column("Pod Labels", "Labels that pods made from it get."),
  ],
  cells: (object) => [
    nameOf(object),
    namesOf(object.template, "name"),
    namesOf(object.template, "image"),
    formatLabels(object.template?.metadata?.labels),
  ],
};

export const controllerRevisionPrinter: Printer<ControllerRevision> = {
  columns: [
    NAME_COLUMN,
    column("Controller", "What the revision belongs to."),
    column("Revision", "Number of the revision."),
    AGE_COLUMN,
  ],
  cells(revision, nowMs) {
    const owner = controllerOf(revision);
    const [group = ""] = owner?.apiVersion.includes("/") === true ? owner.apiVersion.split("/") : [""];
    const kind = owner === undefined ? "" : group === "" ? owner.kind : `${owner.kind}.${group}`;
    const controller = owner === undefined ? NONE : `${kind.toLowerCase()}/${owner.name}`;
    return [nameOf(revision), controller, revision.revision, ageOf(revision, nowMs)];
  },
};

const JOB_STATES = [
  ["Complete", "Complete"],
  ["Failed", "Failed"],
  ["", "Terminating"],
  ["Suspended", "Suspended"],
  ["FailureTarget", "FailureTarget"],
  ["SuccessCriteriaMet", "SuccessCriteriaMet"],
] as const;

export const jobPrinter: Printer<Job> = {
  columns: [
    NAME_COLUMN,
    column("Status", "Status of the job."),
    column("Completions", "Pods that succeeded, of those wanted."),
    column("Duration", "Time from the job's start to its end, or until now."),
    AGE_COLUMN,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  cells(job, nowMs) {
    const { spec, status, metadata } = job;
    const state = JOB_STATES.find(([condition]) =>
      condition === "" ? metadata?.deletionTimestamp !== undefined : isConditionTrue(status?.conditions, condition),
    );
    const succeeded = status?.succeeded ?? 0;
    const parallelism = spec?.parallelism ?? 0;
    const completions =
      spec?.completions === undefined
        ? `${succeeded}/1${parallelism > 1 ? ` of ${parallelism}` : ""}`
        : `${succeeded}/${spec.completions}`;
    const endMs = status?.completionTime === undefined ? nowMs : Date.parse(status.completionTime);
    return [
      nameOf(job),
      state?.[1] ?? "Running",
      completions,
      status?.startTime === undefined ? "" : humanDuration(endMs - Date.parse(status.startTime)),
      ageOf(job, nowMs),
      namesOf(spec?.template, "name"),
      namesOf(spec?.template, "image"),
      selectorText(spec?.selector),
    ];
  },
};

export const cronJobPrinter: Printer<CronJob> = {
  columns: [
    NAME_COLUMN,
    column("Schedule", "When it runs, in cron's notation."),
    column("Timezone", "Time zone of the schedule."),
    column("Suspend", "Whether it waits.", BOOLEAN),
    column("Active", "Jobs that run now.", INTEGER),
    column("Last Schedule", "When it was last due."),
    AGE_COLUMN,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  cells(job, nowMs) {
    const { spec, status } = job;
    const template = spec?.jobTemplate?.spec?.template;
    const suspend = spec?.suspend;
    return [
      nameOf(job),
      spec?.schedule ?? "",
      spec?.timeZone ?? NONE,
      suspend === undefined ? "<unset>" : suspend ? "True" : "False",
      (status?.active ?? []).length,
      status?.lastScheduleTime === undefined ? NONE : since(status.lastScheduleTime, nowMs),
      ageOf(job, nowMs),
      namesOf(template, "name"),
      namesOf(template, "image"),
      selectorText(spec?.jobTemplate?.spec?.selector),
    ];
  },
};
