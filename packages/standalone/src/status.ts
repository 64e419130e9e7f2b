import { readFileSync } from "node:fs";
import { toError } from "@kedge/runtime";
import { NODES, PODS } from "@kedge/kube";
import { DEVICE_STATUSES } from "@kedge/api";
import { connectKube, loadKubeconfig } from "@kedge/kube-client";
import { ManagedProcess } from "./managed-process.ts";
import { describePod } from "./sample/deploy-sample.ts";
import { deviceRow, nodeRow } from "./status-rows.ts";
import { type StatePaths, statePaths } from "./state-paths.ts";
import { table } from "./up/progress.ts";
import { readRecord } from "./up/up-record.ts";

const API_TIMEOUT_MS = 5_000;

/** What runs, and how it is, as text. @returns also whether all of it is well. */
export async function status(stateDir: string, signal: AbortSignal): Promise<{ text: string; well: boolean }> {
  const paths = statePaths(stateDir);
  const record = await readRecord(paths);
  if (record === undefined) return { text: `nothing of ours is in ${paths.stateDir}: ./kedge up`, well: false };
  const rows = [["PROCESS", "STATE", "PID", "MEMORY", "LOG"]];
  let well = true;
  for (const name of [
    "cloud",
    "containerd",
    "edge",
    ...(record.options.sample ? (["sensor"] as const) : []),
  ] as const) {
    const managed = new ManagedProcess(name, paths);
    const pid = await managed.pid();
    well &&= pid !== undefined;
    rows.push([name, pid === undefined ? "stopped" : "running", String(pid ?? ""), memory(pid), managed.logFile]);
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(API_TIMEOUT_MS)]);
  const objects = await describeObjects(paths, record.options.kubeconfig, limit).catch((error: unknown) => {
    well = false;
    return `the API does not answer: ${toError(error).message}`;
  });
  return { text: `${table(rows)}\n\n${objects}`, well };
}

function memory(pid: number | undefined): string {
  if (pid === undefined) return "";
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return kib === undefined ? "" : `${Math.round(Number(kib) / 1024)} MiB`;
}

async function describeObjects(
  paths: StatePaths,
  kubeconfig: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  await using kube = connectKube(loadKubeconfig(kubeconfig ?? paths.kubeconfig));
  const nodes = (await kube.list(NODES, {}, signal)).items.map(nodeRow);
  const pods = (await kube.list(PODS, {}, signal)).items.map((pod) => [
    "pod",
    `${pod.metadata?.namespace ?? ""}/${pod.metadata?.name ?? ""}`,
    pod.status?.phase ?? "",
    pod.status?.phase === "Running" ? (pod.status.podIP ?? "") : describePod(pod),
  ]);
  const devices = (await kube.list(DEVICE_STATUSES, {}, signal)).items.map(deviceRow);
  return table([["KIND", "NAME", "STATE", "DETAIL"], ...nodes, ...pods, ...devices]);
}
