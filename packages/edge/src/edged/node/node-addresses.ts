import { readFileSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { NodeAddress } from "@kedge/kube";

/** An edge host may have no resolver at all; its node must not wait for one. */
const LOOKUP_TIMEOUT_MS = 1_000;
const LINK_LOCAL = /^(169\.254\.|fe80:)/i;

/** How addresses are found; tests bring their own. */
export interface AddressSources {
  /** Addresses that a name resolves to. */
  readonly lookup: (name: string) => Promise<string[]>;
  /** Interface → its addresses, loopback ones left out. */
  readonly interfaces: () => Record<string, string[]>;
  /** The interface that leads out, if any. */
  readonly defaultInterface: () => string | undefined;
}

/** What edgecore.yaml says of the node's addresses. */
export interface AddressConfig {
  /** `nodeIP`: empty, one address, or two separated by a comma. */
  readonly nodeIP: string;
  /** `customInterfaceName`: the interface whose address it is; empty: whichever. */
  readonly interfaceName: string;
}

/**
 * The node's addresses: those configured, else the configured interface's, else its name if that is one, else what the name resolves to, else the
 * interface that leads out, else any interface. A node without any network still has its name.
 */
export async function nodeAddresses(
  nodeName: string,
  { nodeIP, interfaceName }: AddressConfig,
  sources: AddressSources = systemSources,
): Promise<NodeAddress[]> {
  const hostname = { type: "Hostname", address: nodeName };
  const given = nodeIP.split(",").map((ip) => ip.trim());
  const configured = given.filter((ip) => isIP(ip) !== 0 && ip !== "0.0.0.0" && ip !== "::");
  if (configured.length > 0) return [...configured.map(internal), hostname];
  const preferIPv6 = given[0] === "::";
  const interfaces = sources.interfaces();
  const own = Object.values(interfaces).flat();
  const chosen = interfaces[interfaceName] ?? [];
  if (chosen.length === 0 && isIP(nodeName) !== 0) return [internal(nodeName), hostname];
  // A name may resolve to somebody else's address, or to the loopback one of /etc/hosts.
  const resolved = chosen.length > 0 ? [] : (await sources.lookup(nodeName)).filter((ip) => own.includes(ip));
  const leadsOut = interfaces[sources.defaultInterface() ?? ""] ?? [];
  for (const candidates of [chosen, resolved, leadsOut, own]) {
    const usable = candidates.filter((ip) => !LINK_LOCAL.test(ip));
    const best = usable.find((ip) => isIPv6(ip) === preferIPv6) ?? usable[0];
    if (best !== undefined) return [internal(best), hostname];
  }
  return [hostname];
}

function internal(address: string): NodeAddress {
  return { type: "InternalIP", address };
}

const systemSources: AddressSources = {
  async lookup(name) {
    const timeout = new AbortController();
    const tooLate = delay(LOOKUP_TIMEOUT_MS, [], { signal: timeout.signal, ref: false }).catch(() => []);
    const found = lookup(name, { all: true })
      .then((all) => all.map(({ address }) => address))
      .catch(() => []);
    try {
      return await Promise.race([found, tooLate]);
    } finally {
      timeout.abort();
    }
  },
  interfaces: () =>
    Object.fromEntries(
      Object.entries(networkInterfaces()).map(([name, addresses]) => [
        name,
        (addresses ?? []).filter(({ internal: loopback }) => !loopback).map(({ address }) => address),
      ]),
    ),
  defaultInterface: () => defaultInterface("/proc/net/route"),
};

/** @param path a file like `/proc/net/route`. */
export function defaultInterface(path: string): string | undefined {
  try {
    for (const line of readFileSync(path, "utf8").split("\n").slice(1)) {
      const [name, destination, , , , , , mask] = line.split(/\s+/);
      if (destination === "00000000" && mask === "00000000") return name;
    }
  } catch {
    // no IPv4 at all
  }
  return undefined;
}
