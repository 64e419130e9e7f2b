import { existsSync } from "node:fs";
import { type Check, type CheckResult, lookAtAll, renderChecks } from "../checks.ts";
import { hostPaths } from "../host/host-paths.ts";
import { runtimeCheck } from "../host/runtime-checks.ts";
import { readEdgeCoreFile } from "../edge/edgecore-config.ts";
import { dnsCheck as cloudDnsCheck, portCheck } from "../join/cloud-checks.ts";
import { cloudAddress } from "../join/join-options.ts";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { outputFormat, render } from "../text-output.ts";
import { cpuCheck, diskCheck, dnsCheck, memoryCheck, pidCheck } from "./host-checks.ts";

export interface CheckFlags {
  domain?: string;
  dnsIp?: string;
  ip?: string;
  cloudHubServer?: string;
  config?: string;
  rootDir: string;
  remoteRuntimeEndpoint?: string;
  output: string;
}

export type CheckName = "all" | "cpu" | "mem" | "disk" | "dns" | "runtime" | "network" | "pid";
const RUNTIME_ENDPOINT = "unix:///run/containerd/containerd.sock";

/** Prints how the host is. @throws KeadmError `ChecksFailed` if something is wrong (FIX, U8: KubeEdge's always exits with 0) */
export async function check(what: CheckName, flags: CheckFlags, session: Session): Promise<void> {
  await report(checksOf(what, flags), flags.output, session);
}

/** Before a join: whether this host can be a node of that cloud. */
export async function diagnoseInstall(flags: CheckFlags, session: Session): Promise<void> {
  await report(checksOf("all", flags), flags.output, session);
}

async function report(checks: readonly Check[], output: string, session: Session): Promise<void> {
  const format = outputFormat(output, ["text", "json"]);
  const results = await lookAtAll(checks, session.signal);
  session.print(format === "json" ? render(results, "json") : renderChecks(results));
  expectAllWell(results);
}

export function expectAllWell(results: readonly CheckResult[]): void {
  const failed = results.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length > 0)
    throw new KeadmError(
      "ChecksFailed",
      failed.join(", "),
      `${failed.length} of ${results.length} checks failed: ${failed.join(", ")}`,
    );
}

function checksOf(what: CheckName, flags: CheckFlags): Check[] {
  const file = flags.config ?? hostPaths(flags.rootDir).config;
  const config = existsSync(file) ? readEdgeCoreFile(file).config : undefined;
  const { cloudHubServer } = flags;
  const endpoint =
    flags.remoteRuntimeEndpoint ??
    config?.modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint ??
    RUNTIME_ENDPOINT;
  const byName: Record<Exclude<CheckName, "all">, Check[]> = {
    cpu: [cpuCheck],
    mem: [memoryCheck],
    disk: [diskCheck("/")],
    dns: [dnsCheck(flags.domain ?? (cloudHubServer && cloudAddress(cloudHubServer).host), flags.dnsIp)],
    runtime: [runtimeCheck(endpoint)],
    network: networkChecks(flags, config?.modules.edgeHub.websocket.server, config?.modules.edgeHub.httpServer),
    pid: [pidCheck],
  };
  return what === "all" ? Object.values(byName).flat() : byName[what];
}

/** CloudHub where flags or the configuration name it, and any other host that is asked for. */
function networkChecks(
  { cloudHubServer, ip }: CheckFlags,
  configured: string | undefined,
  https: string | undefined,
): Check[] {
  const checks: Check[] = [];
  const server = cloudHubServer ?? configured;
  if (ip !== undefined) checks.push(portCheck(ip.includes(":") ? ip : `${ip}:443`, "the host of --ip"));
  if (server !== undefined) {
    const cloud = cloudAddress(server);
    const certificates =
      cloudHubServer === undefined && https !== undefined ? new URL(https).host : new URL(cloud.https).host;
    checks.push(
      cloudDnsCheck(cloud),
      portCheck(server, "CloudHub's WebSocket port"),
      portCheck(certificates, "cloudcore's HTTPS port"),
    );
  }
  if (checks.length > 0) return checks;
  return [
    {
      name: "network",
      run: () =>
        Promise.reject(
          new KeadmError("BadInput", "network", "no cloud is configured here yet: name it with -s host:10000"),
        ),
    },
  ];
}
