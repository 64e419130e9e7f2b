import type { KubeObject, Node, Pod, Secret, Service } from "@kedge/kube";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NONE = "<none>";

/** Columns as kubectl shows them, without namespace and name. */
interface Columns {
  readonly headings: readonly string[];
  readonly cells: (object: KubeObject, nowMs: number) => string[];
  readonly wideHeadings?: readonly string[];
  readonly wideCells?: (object: KubeObject) => string[];
}

/** What the agent stores, by the name that its database uses. */
export const COLUMNS = {
  pod: {
    headings: ["READY", "STATUS", "RESTARTS", "AGE"],
    cells: (object: KubeObject, nowMs: number) => podCells(object as Pod, nowMs),
    wideHeadings: ["IP", "NODE"],
    wideCells: (object: KubeObject) => [(object as Pod).status?.podIP ?? NONE, (object as Pod).spec?.nodeName ?? NONE],
  },
  node: {
    headings: ["STATUS", "ROLES", "AGE", "VERSION"],
    cells: (object: KubeObject, nowMs: number) => nodeCells(object as Node, nowMs),
    wideHeadings: ["INTERNAL-IP", "CONTAINER-RUNTIME"],
    wideCells: (object: KubeObject) => {
      const { addresses, nodeInfo } = (object as Node).status ?? {};
      return [
        addresses?.find(({ type }) => type === "InternalIP")?.address ?? NONE,
        nodeInfo?.containerRuntimeVersion ?? NONE,
      ];
    },
  },
  service: {
    headings: ["TYPE", "CLUSTER-IP", "PORT(S)", "AGE"],
    cells: (object: KubeObject, nowMs: number) => {
      const { type = "ClusterIP", clusterIP = NONE, ports = [] } = (object as Service).spec ?? {};
      const text = ports.map(({ port, protocol = "TCP" }) => `${port}/${protocol}`).join(",");
      return [type, clusterIP, text === "" ? NONE : text, age(object, nowMs)];
    },
  },
  secret: {
    headings: ["TYPE", "DATA", "AGE"],
    cells: (object: KubeObject, nowMs: number) => {
      const { type = "Opaque", data = {} } = object as Secret;
      return [type, String(Object.keys(data).length), age(object, nowMs)];
    },
  },
  configmap: {
    headings: ["DATA", "AGE"],
    cells: (object: KubeObject, nowMs: number) => [
      String(Object.keys((object as { data?: object }).data ?? {}).length),
      age(object, nowMs),
    ],
  },
  endpoints: { headings: ["AGE"], cells: (object: KubeObject, nowMs: number) => [age(object, nowMs)] },
} satisfies Record<string, Columns>;

export type StoredKind = keyof typeof COLUMNS;

/** Rows for a table, headings first. */
export function objectRows(
  kind: StoredKind,
  objects: readonly KubeObject[],
  options: { readonly wide: boolean; readonly namespaces: boolean; readonly nowMs: number },
): string[][] {
  const columns: Columns = COLUMNS[kind];
  const wide = options.wide && columns.wideHeadings !== undefined;
  const head = [
    ...(options.namespaces ? ["NAMESPACE"] : []),
    "NAME",
    ...columns.headings,
    ...(wide ? (columns.wideHeadings ?? []) : []),
  ];
  return [
    head,
    ...objects.map((object) => [
      ...(options.namespaces ? [object.metadata?.namespace ?? ""] : []),
      object.metadata?.name ?? "",
      ...columns.cells(object, options.nowMs),
      ...(wide ? (columns.wideCells?.(object) ?? []) : []),
    ]),
  ];
}

function podCells({ status, spec, metadata }: Pod, nowMs: number): string[] {
  const statuses = status?.containerStatuses ?? [];
  const ready = statuses.filter((one) => one.ready).length;
  const restarts = statuses.reduce((sum, one) => sum + one.restartCount, 0);
  const waiting = statuses.find(({ state }) => state?.waiting?.reason !== undefined)?.state?.waiting?.reason;
  const state = metadata?.deletionTimestamp === undefined ? (waiting ?? status?.phase ?? "Unknown") : "Terminating";
  return [`${ready}/${spec?.containers.length ?? 0}`, state, String(restarts), age({ metadata } as KubeObject, nowMs)];
}

function nodeCells({ status, metadata, spec }: Node, nowMs: number): string[] {
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status;
  const words = [
    ready === "True" ? "Ready" : "NotReady",
    ...(spec?.unschedulable === true ? ["SchedulingDisabled"] : []),
  ];
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(metadata?.labels ?? {})
    .filter((label) => label.startsWith(prefix))
    .map((label) => label.slice(prefix.length));
  return [
    words.join(","),
    roles.length === 0 ? NONE : roles.toSorted().join(","),
    age({ metadata } as KubeObject, nowMs),
    status?.nodeInfo?.kubeletVersion ?? NONE,
  ];
}

/** `5d`, `3h`, `12m`, `7s` */
function age({ metadata }: KubeObject, nowMs: number): string {
  const createdMs = Date.parse(metadata?.creationTimestamp ?? "");
  if (Number.isNaN(createdMs)) return "<unknown>";
  const ms = Math.max(0, nowMs - createdMs);
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)}d`;
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)}h`;
  if (ms >= 2 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)}m`;
  return `${Math.floor(ms / 1000)}s`;
}
