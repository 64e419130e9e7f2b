import { mkdir, readFile } from "node:fs/promises";
import type { PodSandboxConfig } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { type EdgedParts } from "../edged-parts.ts";
import { podDnsConfig } from "../network/pod-dns-config.ts";
import { podHostname } from "../network/pod-hostname.ts";
import { portMappings } from "../network/port-mappings.ts";
import { parseResolvConf } from "../network/resolv-conf.ts";
import { sandboxOverhead, sandboxResources } from "../resources/linux-resources.ts";
import { sandboxSecurityContext, sandboxSysctls } from "../security/sandbox-security-context.ts";
import { runtimeHandler } from "./runtime-handler.ts";
import { sandboxFacts } from "./sandbox-facts.ts";
import { identityOf, podLogDirectory } from "./container-logs.ts";
import { sandboxAnnotations, sandboxLabels } from "./kubelet-labels.ts";
import { resourcesOptions } from "./resources-options.ts";

/**
 * What the runtime is told of a pod: when its sandbox is made, and again with each container.
 *
 * @param made whether the sandbox is there already: then what its user should know was said before.
 * @see `edge-runtime` §3.3
 */
export async function sandboxConfig(
  pod: Pod,
  attempt: number,
  made: boolean,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<PodSandboxConfig> {
  const { config, events } = parts;
  const identity = identityOf(pod);
  const host = parseResolvConf(config.resolvConfPath === "" ? "" : await readFile(config.resolvConfPath, "utf8"));
  const dns = podDnsConfig(pod, { host, clusterDns: config.clusterDns, clusterDomain: config.clusterDomain });
  if (!made) for (const { reason, message } of dns.warnings) events.warn(pod, reason, message);
  const options = resourcesOptions(parts);
  const overhead = sandboxOverhead(pod, options);
  const hostNetwork = pod.spec?.hostNetwork === true;
  return {
    metadata: { ...identity, attempt },
    ...(!hostNetwork && { hostname: podHostname(pod, config.clusterDomain).kernelHostname }),
    logDirectory: podLogDirectory(config.podLogsDirectory, identity),
    dnsConfig: dns.config,
    portMappings: portMappings(pod),
    labels: sandboxLabels(pod),
    annotations: sandboxAnnotations(pod),
    linux: {
      cgroupParent: parts.cgroups?.cgroupParentOf(pod) ?? "",
      sysctls: sandboxSysctls(pod),
      securityContext: sandboxSecurityContext(pod, await sandboxFacts(pod, parts, signal)),
      resources: sandboxResources(pod, options),
      ...(overhead !== undefined && { overhead }),
    },
  };
}

/** Makes and starts a sandbox. @returns its id. @throws CriError, or what is wrong with the spec */
export async function runSandbox(
  pod: Pod,
  config: PodSandboxConfig,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<string> {
  const handler = await runtimeHandler(pod, parts, signal);
  await mkdir(config.logDirectory ?? "", { recursive: true, mode: 0o755 });
  return parts.cri.runtime.runPodSandbox(config, handler, signal);
}
