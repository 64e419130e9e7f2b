import type { DeviceStatus } from "@kedge/api";
import type { Node } from "@kedge/kube";

/** Kind, name, state and detail of a node, its state as `kubectl get nodes` says it. */
export function nodeRow({ metadata, spec, status }: Node): string[] {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const state = ready?.status === "True" ? "Ready" : "NotReady";
  const cordoned = spec?.unschedulable === true ? ",SchedulingDisabled" : "";
  return ["node", metadata?.name ?? "", `${state}${cordoned}`, ready?.message ?? ""];
}

/** The same of a device. Its own word goes first; a device without a mapper has none, but reports or does not. */
export function deviceRow({ metadata, status }: DeviceStatus): string[] {
  const twins = status?.twins ?? [];
  const reports = twins.some(({ reported }) => reported?.value !== undefined);
  const state = status?.state ?? "";
  return [
    "device",
    `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`,
    state === "" ? (reports ? "reporting" : "silent") : state,
    twins.map(({ propertyName, reported }) => `${propertyName}=${reported?.value ?? "?"}`).join(" "),
  ];
}
