import {
  type CertificateSigningRequest,
  type ClusterRoleBinding,
  type CSIDriver,
  type CSINode,
  type HorizontalPodAutoscaler,
  type Ingress,
  type IngressClass,
  type NetworkPolicy,
  type PodDisruptionBudget,
  type PriorityClass,
  type RoleBinding,
  type RuntimeClass,
  type StorageClass,
  type VolumeAttachment,
} from "@kedge/kube";
import {
  AGE_COLUMN,
  ageOf,
  BOOLEAN,
  column,
  humanDuration,
  INTEGER,
  NAME_COLUMN,
  nameOf,
  NONE,
  type Printer,
  selectorText,
  WIDE,
} from "../printing.ts";

export const roleBindingPrinter: Printer<RoleBinding | ClusterRoleBinding> = {
  columns: [
    NAME_COLUMN,
    column("Role", "The role that is given."),
    AGE_COLUMN,
    column("Users", "Users that it is given to.", WIDE),
    column("Groups", "Groups that it is given to.", WIDE),
    column("ServiceAccounts", "Service accounts that it is given to.", WIDE),
  ],
  cells(binding, nowMs) {
    const named = (kind: string) => (binding.subjects ?? []).filter((subject) => subject.kind === kind);
    const accounts = named("ServiceAccount").map(({ name, namespace = "" }) => `${namespace}/${name}`);
    return [
      nameOf(binding),
      `${binding.roleRef.kind}/${binding.roleRef.name}`,
      ageOf(binding, nowMs),
      named("User")
        .map(({ name }) => name)
        .join(", "),
      named("Group")
        .map(({ name }) => name)
        .join(", "),
      accounts.join(", "),
    ];
  },
};

export const certificateSigningRequestPrinter: Printer<CertificateSigningRequest> = {
  columns: [
    NAME_COLUMN,
    AGE_COLUMN,
    column("SignerName", "Who is asked to sign."),
    column("Requestor", "Who asks."),
    column("RequestedDuration", "For how long the certificate is wanted."),
    column("Condition", "What became of it."),
  ],
  cells(request, nowMs) {
    const { spec, status } = request;
    const has = (type: string) => (status?.conditions ?? []).some((condition) => condition.type === type);
    const decision = has("Denied") ? "Denied" : has("Approved") ? "Approved" : "Pending";
    const state = `${decision}${has("Failed") ? ",Failed" : ""}${status?.certificate ? ",Issued" : ""}`;
    const seconds = spec.expirationSeconds;
    return [
      nameOf(request),
      ageOf(request, nowMs),
      spec.signerName || NONE,
      spec.username ?? "",
      seconds === undefined ? NONE : humanDuration(seconds * 1000),
      state,
    ];
  },
};

export const storageClassPrinter: Printer<StorageClass> = {
  columns: [
    NAME_COLUMN,
    column("Provisioner", "Who makes the volumes."),
    column("ReclaimPolicy", "What happens to a volume when its claim goes."),
    column("VolumeBindingMode", "When a volume is made."),
    column("AllowVolumeExpansion", "Whether volumes may grow."),
    AGE_COLUMN,
  ],
  cells(storageClass, nowMs) {
    const isDefault = storageClass.metadata?.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true";
    return [
      `${nameOf(storageClass)}${isDefault ? " (default)" : ""}`,
      storageClass.provisioner,
      storageClass.reclaimPolicy ?? "Delete",
      storageClass.volumeBindingMode ?? "Immediate",
      storageClass.allowVolumeExpansion ?? false,
      ageOf(storageClass, nowMs),
    ];
  },
};

export const csiNodePrinter: Printer<CSINode> = {
  columns: [NAME_COLUMN, column("Drivers", "Number of CSI drivers on the node.", INTEGER), AGE_COLUMN],
  cells: (node, nowMs) => [nameOf(node), (node.spec.drivers ?? []).length, ageOf(node, nowMs)],
};

export const csiDriverPrinter: Printer<CSIDriver> = {
  columns: [
    NAME_COLUMN,
    column("AttachRequired", "Whether volumes must be attached.", BOOLEAN),
    column("PodInfoOnMount", "Whether the driver is told of the pod.", BOOLEAN),
    column("StorageCapacity", "Whether the driver tells how much room is left.", BOOLEAN),
    column("TokenRequests", "Audiences of the tokens that the driver wants."),
    column("RequiresRepublish", "Whether volumes are published again and again.", BOOLEAN),
    column("Modes", "Kinds of volumes."),
    AGE_COLUMN,
  ],
  cells(driver, nowMs) {
    const { spec } = driver;
    return [
      nameOf(driver),
      spec.attachRequired ?? true,
      spec.podInfoOnMount ?? false,
      spec.storageCapacity ?? false,
      spec.tokenRequests === undefined ? "<unset>" : spec.tokenRequests.map(({ audience }) => audience).join(","),
      spec.requiresRepublish ?? false,
      (spec.volumeLifecycleModes ?? []).join(",") || NONE,
      ageOf(driver, nowMs),
    ];
  },
};

export const volumeAttachmentPrinter: Printer<VolumeAttachment> = {
  columns: [
    NAME_COLUMN,
    column("Attacher", "The driver that attaches.", { format: "name" }),
    column("PV", "The volume."),
    column("Node", "The node that it is attached to."),
    column("Attached", "Whether it is attached.", BOOLEAN),
    AGE_COLUMN,
  ],
  cells: (attachment, nowMs) => [
    nameOf(attachment),
    attachment.spec.attacher,
    attachment.spec.source.persistentVolumeName ?? "",
    attachment.spec.nodeName,
    attachment.status?.attached ?? false,
    ageOf(attachment, nowMs),
  ],
};

export const priorityClassPrinter: Printer<PriorityClass> = {
  columns: [
    NAME_COLUMN,
    column("Value", "The priority.", INTEGER),
    column("Global-Default", "Whether pods without a class get it.", BOOLEAN),
    AGE_COLUMN,
    column("PreemptionPolicy", "Whether its pods may push others out."),
  ],
  cells: (priority, nowMs) => [
    nameOf(priority),
    priority.value,
    priority.globalDefault ?? false,
    ageOf(priority, nowMs),
    priority.preemptionPolicy ?? "",
  ],
};

export const runtimeClassPrinter: Printer<RuntimeClass> = {
  columns: [NAME_COLUMN, column("Handler", "The runtime's configuration."), AGE_COLUMN],
  cells: (runtimeClass, nowMs) => [nameOf(runtimeClass), runtimeClass.handler, ageOf(runtimeClass, nowMs)],
};

export const networkPolicyPrinter: Printer<NetworkPolicy> = {
  columns: [NAME_COLUMN, column("Pod-Selector", "Which pods it is about."), AGE_COLUMN],
  cells: (policy, nowMs) => [nameOf(policy), selectorText(policy.spec?.podSelector), ageOf(policy, nowMs)],
};

const HOSTS_SHOWN_MAX = 3;

export const ingressPrinter: Printer<Ingress> = {
  columns: [
    NAME_COLUMN,
    column("Class", "Its IngressClass."),
    column("Hosts", "Hosts that it serves."),
    column("Address", "Where it is reached."),
    column("Ports", "Ports that it opens."),
    AGE_COLUMN,
  ],
  cells(ingress, nowMs) {
    const { spec, status } = ingress;
    const rules = spec?.rules ?? [];
    const hosts =
      rules
        .slice(0, HOSTS_SHOWN_MAX)
        .flatMap(({ host }) => host || [])
        .join(",") || "*";
    const more = rules.length > HOSTS_SHOWN_MAX ? ` + ${rules.length - HOSTS_SHOWN_MAX} more...` : "";
    const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || (hostname ?? ""));
    return [
      nameOf(ingress),
      spec?.ingressClassName ?? NONE,
      `${hosts}${more}`,
      [...new Set(addresses)].filter(Boolean).toSorted().join(","),
      (spec?.tls ?? []).length > 0 ? "80, 443" : "80",
      ageOf(ingress, nowMs),
    ];
  },
};

export const ingressClassPrinter: Printer<IngressClass> = {
  columns: [
    NAME_COLUMN,
    column("Controller", "Who takes care of it."),
    column("Parameters", "An object with more settings."),
    AGE_COLUMN,
  ],
  cells(ingressClass, nowMs) {
    const isDefault = ingressClass.metadata?.annotations?.["ingressclass.kubernetes.io/is-default-class"] === "true";
    const parameters = ingressClass.spec?.parameters;
    const kind = parameters?.apiGroup ? `${parameters.kind}.${parameters.apiGroup}` : parameters?.kind;
    return [
      `${nameOf(ingressClass)}${isDefault ? " (default)" : ""}`,
      ingressClass.spec?.controller ?? "",
      parameters === undefined ? NONE : `${kind}/${parameters.name}`,
      ageOf(ingressClass, nowMs),
    ];
  },
};

export const podDisruptionBudgetPrinter: Printer<PodDisruptionBudget> = {
  columns: [
    NAME_COLUMN,
    column("Min Available", "How many pods must stay available."),
    column("Max Unavailable", "How many pods may be unavailable."),
    column("Allowed Disruptions", "How many pods may be taken away now.", INTEGER),
    AGE_COLUMN,
  ],
  cells: (budget, nowMs) => [
    nameOf(budget),
    String(budget.spec?.minAvailable ?? "N/A"),
    String(budget.spec?.maxUnavailable ?? "N/A"),
    budget.status?.disruptionsAllowed ?? 0,
    ageOf(budget, nowMs),
  ],
};

export const autoscalerPrinter: Printer<HorizontalPodAutoscaler> = {
  columns: [
    NAME_COLUMN,
    column("Reference", "What it scales."),
    column("Targets", "What it measures, and what it aims at."),
    column("MinPods", "The fewest pods."),
    column("MaxPods", "The most pods."),
    column("Replicas", "Pods now."),
    AGE_COLUMN,
  ],
  cells(autoscaler, nowMs) {
    const { spec, status } = autoscaler;
    const targets = (spec?.metrics ?? []).map(({ type, resource }) => {
      const utilization = resource?.target.averageUtilization;
      const aim = utilization === undefined ? (resource?.target.averageValue ?? "<auto>") : `${utilization}%`;
      return resource === undefined ? type : `${resource.name}: <unknown>/${aim}`;
    });
    return [
      nameOf(autoscaler),
      `${spec?.scaleTargetRef.kind ?? ""}/${spec?.scaleTargetRef.name ?? ""}`,
      targets.join(", ") || NONE,
      String(spec?.minReplicas ?? "<unset>"),
      spec?.maxReplicas ?? 0,
      status?.currentReplicas ?? 0,
      ageOf(autoscaler, nowMs),
    ];
  },
};
