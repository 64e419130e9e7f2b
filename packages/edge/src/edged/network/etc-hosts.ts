import { chmod, readFile, writeFile } from "node:fs/promises";
import type { HostAlias, Pod } from "@kedge/kube";
import type { PodHostname } from "./pod-hostname.ts";

const HEADER = "# Kubernetes-managed hosts file.\n";
const HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network).\n";
const LOCAL_ENTRIES = [
  "127.0.0.1\tlocalhost",
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::0\tip6-localnet",
  "fe00::0\tip6-mcastprefix",
  "fe00::1\tip6-allnodes",
  "fe00::2\tip6-allrouters",
];

/** Whether containers get our hosts file: not before the pod has an address of its own. */
export function wantsEtcHosts(pod: Pod, podIPs: readonly string[]): boolean {
  return podIPs.length > 0 || pod.spec?.hostNetwork === true;
}

/** @param hostFile text of the node's own file, for pods that share its network. */
export function etcHostsText(pod: Pod, podIPs: readonly string[], name: PodHostname, hostFile: string): string {
  const aliases = aliasEntries(pod.spec?.hostAliases ?? []);
  if (pod.spec?.hostNetwork === true) return HOST_NETWORK_HEADER + hostFile + aliases;
  const { hostname, domain } = name;
  const own = podIPs.map((ip) => `${ip}\t${domain === "" ? "" : `${hostname}.${domain}\t`}${hostname}`);
  return `${HEADER}${[...LOCAL_ENTRIES, ...own].join("\n")}\n${aliases}`;
}

/** Writes the file that is mounted at `/etc/hosts`. It keeps its inode, so running containers see the new text. */
export async function writeEtcHosts(
  path: string,
  pod: Pod,
  podIPs: readonly string[],
  name: PodHostname,
  hostFilePath: string = "/etc/hosts",
): Promise<void> {
  const hostFile = pod.spec?.hostNetwork === true ? await readFile(hostFilePath, "utf8") : "";
  await writeFile(path, etcHostsText(pod, podIPs, name, hostFile));
  await chmod(path, 0o644); // whatever the umask said
}

function aliasEntries(aliases: readonly HostAlias[]): string {
  if (aliases.length === 0) return "";
  const lines = aliases.map(({ ip, hostnames = [] }) => `${ip ?? ""}\t${hostnames.join("\t")}\n`);
  return `\n# Entries added by HostAliases.\n${lines.join("")}`;
}
