import { readFileSync } from "node:fs";
import { toError } from "@kedge/runtime";
import { type KubeObject, LEASES, NODES, PODS } from "@kedge/kube";
import { DEVICES, DEVICE_STATUSES } from "@kedge/api";
import { connectKube, loadKubeconfig } from "@kedge/kube-client";
import { ManagedProcess } from "./managed-process.ts";
import { deviceRow, nodeRow, podRow } from "./status-rows.ts";
import { stateDirFlag, statePaths } from "./state-paths.ts";
import { table } from "./up/progress.ts";
import { readRecord } from "./up/up-record.ts";

/** Where Kubernetes keeps the leases of nodes. */
const LEASE_NAMESPACE = "kube-node-lease";
const API_TIMEOUT_MS = 5_000;

/** What runs, and how it is, as text. @returns also whether all of it is well. */
export async function status(stateDir: string, signal: AbortSignal): Promise<{ text: string; well: boolean }> {
  const paths = statePaths(stateDir);
  const record = await readRecord(paths);
  if (record === undefined) return { text: `nothing of ours is in ${paths.stateDir}: ./kedge up`, well: false };
  const rows = [["PROCESS", "STATE", "PID", "MEMORY", "LOG"]];
  let well = true;
  let stopped = false;
  let running = 0;
  for (const name of [
    "cloud",
    "containerd",
    "edge",
    ...(record.options.sample ? (["sensor"] as const) : []),
  ] as const) {
    const managed = new ManagedProcess(name, paths);
    const pid = await managed.pid();
    well &&= pid !== undefined;
    if (name === "edge") stopped = pid === undefined;
    if (pid !== undefined) running += 1;
    rows.push([name, pid === undefined ? "stopped" : "running", String(pid ?? ""), memory(pid), managed.logFile]);
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(API_TIMEOUT_MS)]);
  const { kubeconfig, nodeName, ports } = record.options;
  const ownNode = { name: nodeName, stopped, alone: kubeconfig === undefined };
  const objects = await describeObjects(kubeconfig ?? paths.kubeconfig, ownNode, limit).catch((error: unknown) => ({
    text: `the API does not answer: ${toError(error).message}`,
    well: false,
  }));
  well &&= objects.well;
  const health = `edge: http://127.0.0.1:${ports.status}/status, cloud: http://127.0.0.1:${ports.monitor}/readyz`;
  const start = running === 0 ? ` Start it: ./kedge up${stateDirFlag(paths)}` : "";
  const parts = [table(rows), objects.text, well ? health : `${health}\nNot all is well.${start}`];
  return { text: parts.join("\n\n"), well };
}

function memory(pid: number | undefined): string {
  if (pid === undefined) return "";
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return kib === undefined ? "" : `${Math.round(Number(kib) / 1024)} MiB`;
}

async function describeObjects(
  kubeconfig: string,
  ownNode: { readonly name: string; readonly stopped: boolean; readonly alone: boolean },
  signal: AbortSignal,
): Promise<{ text: string; well: boolean }> {
  await using kube = connectKube(loadKubeconfig(kubeconfig));
  const [nodes, leases, pods, devices, reports] = await Promise.all([
    kube.list(NODES, {}, signal),
    kube.list(LEASES, { namespace: LEASE_NAMESPACE }, signal),
    kube.list(PODS, {}, signal),
    kube.list(DEVICES, {}, signal),
    kube.list(DEVICE_STATUSES, {}, signal),
  ]);
  const nowMs = Date.now();
  const leaseOf = new Map(leases.items.map((lease) => [lease.metadata?.name, lease]));
  const deviceOf = new Map(devices.items.map((device) => [keyOf(device), device]));
  const nodeRows = nodes.items.map((node) => {
    const name = node.metadata?.name ?? "";
    const agentStopped = name === ownNode.name && ownNode.stopped;
    return nodeRow(node, { lease: leaseOf.get(name), agentStopped }, nowMs);
  });
  if (!nodeRows.some(({ cells: [, name] }) => name === ownNode.name))
    nodeRows.push({ cells: ["node", ownNode.name, "missing", "the cluster has no such node"], well: false });
  const wellNodes = new Map(nodeRows.map(({ cells: [, name], well }) => [name, well]));
  const isWell = (name: string) => wellNodes.get(name);
  // In a cluster of the user's, only what is on our node is ours to judge.
  const judged = (node: string | undefined) => ownNode.alone || node === ownNode.name;
  const rows = [
    ...nodeRows.map((row) => ({ row, counts: judged(row.cells[1]) })),
    ...pods.items.map((pod) => ({ row: podRow(pod, isWell), counts: judged(pod.spec?.nodeName) })),
    ...reports.items.map((one) => {
      const device = deviceOf.get(keyOf(one));
      return { row: deviceRow(one, device, isWell, nowMs), counts: judged(device?.spec?.nodeName) };
    }),
  ];
  const text = table([["KIND", "NAME", "STATE", "DETAIL"], ...rows.map(({ row }) => row.cells)]);
  return { text, well: rows.every(({ row, counts }) => row.well || !counts) };
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}
