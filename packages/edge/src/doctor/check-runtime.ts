import { existsSync } from "node:fs";
import { CriClient, CriError } from "@kedge/cri";
import { type Finding, found, madeByUp, toError } from "@kedge/runtime";
import type { EdgeFacts } from "./edge-facts.ts";

const ANSWER_MS = 3_000;
const SILENT = "the runtime does not answer";
const OFF = "modules.edged is off: this host runs no pods";

/** Whether containerd answers at its socket and says that it is ready. */
export async function checkRuntime(facts: EdgeFacts, signal: AbortSignal): Promise<Finding> {
  const { config } = facts;
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edged.enable) return found.skipped(OFF);
  const { containerRuntimeEndpoint: endpoint } = config.modules.edged.tailoredKubeletConfig;
  if (!existsSync(socketOf(endpoint)))
    return found.failed(
      `there is no socket at ${endpoint}`,
      madeByUp(facts.configPath)?.up ??
        "install and start containerd, or set modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint to its socket",
    );
  using cri = new CriClient({ runtimeEndpoint: endpoint, timeoutMs: ANSWER_MS });
  try {
    const { runtimeName, runtimeVersion } = await cri.runtime.version(signal);
    facts.runtimeAnswers = true;
    const ready = await condition(cri, "RuntimeReady", signal);
    if (ready?.status === false)
      return found.failed(`${endpoint} answers, but is not ready: ${ready.message}`, "see containerd's log");
    return found.ok(`${runtimeName} ${runtimeVersion} at ${endpoint}`);
  } catch (error) {
    return found.failed(
      `${endpoint} does not answer: ${toError(error).message}`,
      madeByUp(facts.configPath)?.up ??
        "start containerd; if it runs, its CRI plugin must be on: not in disabled_plugins of its config.toml",
    );
  }
}

/** Runtime and agent must agree who makes cgroups, or pods escape their limits. */
export async function checkCgroups({ config, runtimeAnswers }: EdgeFacts, signal: AbortSignal): Promise<Finding> {
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edged.enable) return found.skipped(OFF);
  if (
    !["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu"].some((path) =>
      existsSync(path),
    )
  )
    return found.failed(
      "no cgroup file system is mounted on /sys/fs/cgroup",
      "mount -t cgroup2 none /sys/fs/cgroup, or boot with cgroups on",
    );
  if (runtimeAnswers !== true) return found.skipped(SILENT);
  const { containerRuntimeEndpoint, cgroupDriver: ours } = config.modules.edged.tailoredKubeletConfig;
  using cri = new CriClient({ runtimeEndpoint: containerRuntimeEndpoint, timeoutMs: ANSWER_MS });
  try {
    const theirs = await cri.runtime.cgroupDriver(signal);
    if (theirs === ours) return found.ok(`${ours}, as the runtime`);
    return found.warning(
      `the runtime uses ${theirs}, edgecore.yaml says ${ours}: edgecore follows the runtime`,
      `set modules.edged.tailoredKubeletConfig.cgroupDriver to ${theirs}`,
    );
  } catch (error) {
    if (error instanceof CriError && error.code === "Unimplemented")
      return found.ok(`${ours}; this runtime does not tell its own (containerd before 2.0): SystemdCgroup must fit`);
    throw error;
  }
}

/** Without a network for pods only those with hostNetwork start. */
export async function checkNetwork({ config, runtimeAnswers }: EdgeFacts, signal: AbortSignal): Promise<Finding> {
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edged.enable) return found.skipped(OFF);
  if (runtimeAnswers !== true) return found.skipped(SILENT);
  const { containerRuntimeEndpoint } = config.modules.edged.tailoredKubeletConfig;
  using cri = new CriClient({ runtimeEndpoint: containerRuntimeEndpoint, timeoutMs: ANSWER_MS });
  const ready = await condition(cri, "NetworkReady", signal);
  if (ready?.status === true) return found.ok("the runtime has a pod network (CNI)");
  return found.failed(
    `the runtime has no pod network: ${ready?.message ?? "it does not say why"}`,
    "put a CNI configuration into /etc/cni/net.d, and its plugins where containerd's config.toml has bin_dir",
  );
}

function socketOf(endpoint: string): string {
  return endpoint.replace(/^unix:(\/\/)?/, "");
}

async function condition(cri: CriClient, wanted: string, signal: AbortSignal) {
  const status = await cri.runtime.status(signal);
  return status?.conditions.find(({ type }) => type === wanted);
}
