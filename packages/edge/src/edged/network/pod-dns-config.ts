import type { Pod } from "@kedge/kube";
import type { ResolverConfig } from "./resolv-conf.ts";

const SERVERS_MAX = 3;
const SEARCHES_MAX = 32;
const SEARCH_LINE_CHARS_MAX = 2048;
const SEARCH_CHARS_MAX = 253;
/** As the cluster's DNS wants it: names with few dots are looked for in the search path first. */
const CLUSTER_OPTIONS = ["ndots:5"];

export interface DnsSettings {
  /** The host's own, of `resolvConf`. */
  readonly host: ResolverConfig;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
}

export interface PodDns {
  readonly config: { servers: string[]; searches: string[]; options: string[] };
  /** Events to report on the pod: reason and message. */
  readonly warnings: readonly { readonly reason: string; readonly message: string }[];
}

/** How a pod resolves names: by its `dnsPolicy`, then its `dnsConfig` on top, cut to what resolvers can take. */
export function podDnsConfig(pod: Pod, { host, clusterDns, clusterDomain }: DnsSettings): PodDns {
  const { spec, metadata } = pod;
  const warnings: { reason: string; message: string }[] = [];
  const policy = spec?.dnsPolicy ?? "ClusterFirst";
  let base: ResolverConfig = host;
  if (policy === "None") base = { servers: [], searches: [], options: [] };
  else if (policy === "ClusterFirstWithHostNet" || (policy === "ClusterFirst" && spec?.hostNetwork !== true)) {
    if (clusterDns.length > 0) {
      const cluster = [`${metadata?.namespace ?? ""}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
      const searches = clusterDomain === "" ? host.searches : unique([...cluster, ...host.searches]);
      base = { servers: clusterDns, searches, options: CLUSTER_OPTIONS };
    } else
      warnings.push({
        reason: "MissingClusterDNS",
        message:
          `pod: "${metadata?.name ?? ""}_${metadata?.namespace ?? ""}(${metadata?.uid ?? ""})". kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. ` +
          `Falling back to "Default" policy.`,
      });
  }

  const own = spec?.dnsConfig;
  const allServers = own === undefined ? [...base.servers] : unique([...base.servers, ...(own.nameservers ?? [])]);
  const allSearches = own === undefined ? [...base.searches] : unique([...base.searches, ...(own.searches ?? [])]);
  const options = new Map(base.options.map((option) => [option.split(":")[0] ?? option, option]));
  for (const { name = "", value } of own?.options ?? [])
    options.set(name, value === undefined || value === "" ? name : `${name}:${value}`);

  const servers = allServers.slice(0, SERVERS_MAX);
  if (servers.length < allServers.length)
    warnings.push({
      reason: "DNSConfigForming",
      message: `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${servers.join(" ")}`,
    });
  const searches = fitSearches(allSearches);
  if (searches.length < allSearches.length)
    warnings.push({
      reason: "DNSConfigForming",
      message: `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(" ")}`,
    });
  return { config: { servers, searches, options: [...options.values()] }, warnings };
}

function fitSearches(all: readonly string[]): string[] {
  const fitting = all.slice(0, SEARCHES_MAX).filter((search) => search.length <= SEARCH_CHARS_MAX);
  while (fitting.join(" ").length > SEARCH_LINE_CHARS_MAX) fitting.pop();
  return fitting;
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
