import { connect } from "node:net";
import { runningKubelet } from "@kedge/edge";
import { failedCheck } from "../checks.ts";
import { readEdgeCoreFile } from "../edge/edgecore-config.ts";
import type { HostPaths } from "../host/host-paths.ts";
import { type CgroupDriver, runtimeCgroupDriver } from "../host/runtime-checks.ts";
import { expectNoStray } from "../host/stray-agent.ts";
import { KeadmError } from "../keadm-error.ts";
import type { CloudAddress, JoinFlags } from "./join-options.ts";

/** Nobody else may look after this host's containers, and what we left before must have been for the same node. */
export async function expectOwnHost(
  agentPid: (signal: AbortSignal) => Promise<number | undefined>,
  nodeName: string,
  cloud: CloudAddress,
  paths: HostPaths,
  signal: AbortSignal,
): Promise<void> {
  const kubelet = process.env["CHECK_EDGECORE_ENVIRONMENT"] === "false" ? undefined : runningKubelet();
  if (kubelet !== undefined)
    throw failedCheck(
      "kubelet",
      `a kubelet runs on this host (process ${kubelet}) and would fight with edgecore over the same containers: stop it`,
    );
  const pid = await agentPid(signal);
  expectNoStray(paths.config, pid);
  if (pid === undefined) return;
  const { modules } = readEdgeCoreFile(paths.config).config;
  const [node, server] = [modules.edged.hostnameOverride, modules.edgeHub.websocket.server];
  if (node !== nodeName || server !== cloud.cloudHub)
    throw failedCheck(
      "edgecore",
      `edgecore runs here (process ${pid}) as node ${node} of ${server}: first run keadm reset edge`,
    );
}

/** What the runtime uses, unless it is told; the two must agree. */
export async function chooseCgroupDriver(
  flags: Pick<JoinFlags, "cgroupdriver" | "skipPreflightChecks">,
  endpoint: string,
  before: CgroupDriver | undefined,
  signal: AbortSignal,
): Promise<CgroupDriver> {
  const given = flags.cgroupdriver;
  if (given !== undefined && given !== "cgroupfs" && given !== "systemd")
    throw new KeadmError(
      "BadInput",
      "--cgroupdriver",
      `--cgroupdriver ${given} is no cgroup driver: take cgroupfs or systemd`,
    );
  const actual = flags.skipPreflightChecks ? undefined : await runtimeCgroupDriver(endpoint, signal);
  if (given !== undefined && actual !== undefined && given !== actual)
    throw failedCheck(
      "cgroup driver",
      `the container runtime uses ${actual}, not ${given}: leave out --cgroupdriver, or change SystemdCgroup in the runtime's configuration`,
    );
  return given ?? actual ?? before ?? "cgroupfs";
}

/** Whether somebody listens on this port of this host. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ host: "127.0.0.1", port });
    probe.once("connect", () => resolve(probe.destroy() !== undefined));
    probe.once("error", () => resolve(false));
  });
}
