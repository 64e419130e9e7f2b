import type { Device, DeviceStatus } from "@kedge/api";
import type { Lease, Node, Pod } from "@kedge/kube";
import { describePod } from "./sample/deploy-sample.ts";

/** A node renews its lease every 10 s; one that has not for this long is away, whatever its conditions still say. */
const NODE_SILENT_MS = 60_000;
/** Without a lease only the status tells, which may come as seldom as every 5 minutes. */
const NODE_STATUS_SILENT_MS = 6 * 60_000;
/** A device whose last report is older is called silent. */
const DEVICE_SILENT_MS = 5 * 60_000;

/** One line of `status`, and whether it is as it should be. */
export interface StatusRow {
  /** Kind, name, state and detail. */
  readonly cells: readonly [kind: string, name: string, state: string, detail: string];
  readonly well: boolean;
}

/** What is known of a node beside its object. */
export interface NodeFacts {
  readonly lease: Lease | undefined;
  /** Its agent is a process of this `up`, and that one is stopped. */
  readonly agentStopped: boolean;
}

/** A node, its state as `kubectl get nodes` says it, unless nothing was heard of it for long. */
export function nodeRow(node: Node, { lease, agentStopped }: NodeFacts, nowMs: number): StatusRow {
  const { metadata, spec, status } = node;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const renewedMs = Date.parse(lease?.spec?.renewTime ?? "") || 0;
  const heardMs = Math.max(renewedMs, Date.parse(ready?.lastHeartbeatTime ?? "") || 0);
  const silent = nowMs - heardMs > (renewedMs === 0 ? NODE_STATUS_SILENT_MS : NODE_SILENT_MS);
  const last = heardMs === 0 ? "it never reported" : `last heard of ${age(nowMs - heardMs)} ago`;
  const well = ready?.status === "True" && !silent && !agentStopped;
  const cordoned = spec?.unschedulable === true ? ",SchedulingDisabled" : "";
  const detail = agentStopped ? `its agent is stopped, ${last}` : silent ? last : (ready?.message ?? "");
  return { cells: ["node", metadata?.name ?? "", `${well ? "Ready" : "NotReady"}${cordoned}`, detail], well };
}

/** A pod with its address, or what it waits for. */
export function podRow(pod: Pod, nodeWell: (name: string) => boolean | undefined): StatusRow {
  const { metadata, spec, status } = pod;
  const name = `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
  const phase = status?.phase ?? "";
  const away = spec?.nodeName !== undefined && nodeWell(spec.nodeName) !== true;
  if (away && phase === "Running") return { cells: ["pod", name, "Unknown", "its node does not report"], well: false };
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
  const well = phase === "Succeeded" || (phase === "Running" && ready) || metadata?.deletionTimestamp !== undefined;
  return { cells: ["pod", name, phase, phase === "Running" && ready ? (status?.podIP ?? "") : describePod(pod)], well };
}

/**
 * A device. Its own word goes first; a device without a mapper has none, but reports or does not. Old words count for
 * nothing, and neither do those of a device whose node is away.
 *
 * @param device absent: there is only what was once reported of it.
 * @param nodeWell `undefined` for a node that does not exist.
 */
export function deviceRow(
  reports: DeviceStatus,
  device: Device | undefined,
  nodeWell: (name: string) => boolean | undefined,
  nowMs: number,
): StatusRow {
  const { metadata, status } = reports;
  const twins = status?.twins ?? [];
  const values = twins.map(({ propertyName, reported }) => `${propertyName}=${reported?.value ?? "?"}`).join(" ");
  const times = twins.map(({ reported }) => Number(reported?.metadata?.["timestamp"] ?? 0) || 0);
  const lastMs = Math.max(0, Date.parse(status?.lastOnlineTime ?? "") || 0, ...times);
  const last = lastMs === 0 ? "no report" : `last report ${age(nowMs - lastMs)} ago`;
  const row = (state: string, detail: string, well: boolean): StatusRow => ({
    cells: ["device", `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`, state, detail],
    well,
  });
  const node = device?.spec?.nodeName ?? "";
  if (device === undefined) return row("deleted", `there is no such device any more, ${last}: ${values}`, false);
  if (node === "") return row("unassigned", "it has no nodeName", true);
  const nodeIs = nodeWell(node);
  if (nodeIs === undefined) return row("lost", `there is no node ${node}, ${last}: ${values}`, false);
  if (!nodeIs) return row("unknown", `node ${node} does not report, ${last}: ${values}`, false);
  const reported = twins.some((twin) => twin.reported?.value !== undefined);
  const state = status?.state ?? "";
  if (reported && lastMs > 0 && nowMs - lastMs > DEVICE_SILENT_MS) return row("silent", `${last}: ${values}`, false);
  if (state !== "") return row(state, values, state !== "offline" && state !== "unhealthy");
  return row(reported ? "reporting" : "silent", values, reported);
}

/** `12 s`, `3 min`, `5 h`, `2 d`: of use to people. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}
