import { CONFIG_MAPS, type ConfigMap } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { parse } from "yaml";
import { VALUES_ANNOTATION } from "./cloudcore-objects.ts";
import { NAME } from "./cloudcore-rbac.ts";
import { KUBEEDGE_NAMESPACE } from "./connect-cluster.ts";

/** The cloudcore that is in the cluster, as its ConfigMap tells. */
export interface Installed {
  readonly yaml: string;
  /** The values that were given for it; none for one that keadm did not install. */
  readonly given: object;
  /** What edges dial: they have it in their configuration, so it must stay in the certificate. */
  readonly advertiseAddress: readonly string[];
}

/** @returns `undefined` if there is none. */
export async function findInstalled(kube: KubeClient, signal: AbortSignal): Promise<Installed | undefined> {
  let configMap: ConfigMap;
  try {
    configMap = await kube.get(CONFIG_MAPS, { namespace: KUBEEDGE_NAMESPACE, name: NAME }, signal);
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
  const yaml = configMap.data?.["cloudcore.yaml"] ?? "";
  const given = readMapping(configMap.metadata?.annotations?.[VALUES_ANNOTATION] ?? "");
  return { yaml, given, advertiseAddress: addressesIn(readMapping(yaml)) };
}

/** Of what is no mapping, since somebody changed it by hand, nothing is taken over. */
function readMapping(text: string): object {
  try {
    const value: unknown = parse(text, { maxAliasCount: 100 });
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function addressesIn(config: { modules?: { cloudHub?: { advertiseAddress?: unknown } } }): string[] {
  const addresses: unknown = config.modules?.cloudHub?.advertiseAddress;
  if (!Array.isArray(addresses)) return [];
  return addresses.filter((address): address is string => typeof address === "string" && address !== "");
}
