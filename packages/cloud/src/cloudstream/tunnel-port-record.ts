import { CONFIG_MAPS, type ConfigMap, isJsonObject } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Clock, hasCode, type Logger } from "@kedge/runtime";
import { ensureNamespace, KUBEEDGE_NAMESPACE } from "../cloudhub/pki/secrets.ts";

/** KubeEdge's ConfigMap, and its annotation that says which cloudcore has which port. */
const RECORD = { namespace: KUBEEDGE_NAMESPACE, name: "tunnelport" };
const RECORD_ANNOTATION = "tunnelportrecord.kubeedge.io";
const FIRST_PORT = 10_351;
const LAST_PORT = 65_535;
/** Other instances write there at the same time. */
const TRIES_MAX = 20;

/** As KubeEdge writes it. */
export interface TunnelPortRecord {
  /** Of each cloudcore, by its address. */
  readonly ipTunnelPort: Readonly<Record<string, number>>;
  /** Those that are taken. */
  readonly port: Readonly<Record<string, boolean>>;
}

/**
 * The record with a port for this cloudcore: the one that it has, else the first that is free. What is noted as taken and is
 * nobody's any more is given back (W47).
 */
export function withPort(record: TunnelPortRecord, address: string): { record: TunnelPortRecord; port: number } {
  const used = new Set(Object.values(record.ipTunnelPort));
  let port = record.ipTunnelPort[address];
  if (port === undefined) for (port = FIRST_PORT; used.has(port) && port < LAST_PORT;) port += 1;
  const ipTunnelPort = { ...record.ipTunnelPort, [address]: port };
  return {
    record: { ipTunnelPort, port: Object.fromEntries(Object.values(ipTunnelPort).map((of) => [of, true])) },
    port,
  };
}

/** @returns an empty one for what makes no sense: people edit ConfigMaps, too. */
export function readRecord(map: ConfigMap | undefined): TunnelPortRecord {
  try {
    const json: unknown = JSON.parse(map?.metadata?.annotations?.[RECORD_ANNOTATION] ?? "{}");
    const ports = isJsonObject(json) && isJsonObject(json["ipTunnelPort"]) ? Object.entries(json["ipTunnelPort"]) : [];
    const valid = ports.filter((entry): entry is [string, number] => Number.isInteger(entry[1]));
    return { ipTunnelPort: Object.fromEntries(valid), port: {} };
  } catch {
    return { ipTunnelPort: {}, port: {} };
  }
}

/**
 * The port that stands for this cloudcore in KubeEdge's way: nodes show it as theirs, and an iptables manager leads it to us.
 *
 * @throws what the API server says; a conflict is tried again (R2).
 */
export async function agreeOnTunnelPort(
  address: string,
  { kube, logger }: { readonly kube: KubeClient; readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<number> {
  await ensureNamespace(kube, signal);
  for (let tries = 1; ; tries += 1) {
    try {
      const map = await kube.get(CONFIG_MAPS, RECORD, signal).catch((error: unknown) => {
        if (hasCode(error, "NotFound")) return undefined;
        throw error;
      });
      const { record, port } = withPort(readRecord(map), address);
      const text = JSON.stringify(record);
      if (map?.metadata?.annotations?.[RECORD_ANNOTATION] === text) return port;
      const annotations = { ...map?.metadata?.annotations, [RECORD_ANNOTATION]: text };
      const { resourceVersion } = map?.metadata ?? {};
      if (map === undefined) await kube.create(CONFIG_MAPS, { metadata: { ...RECORD, annotations } }, signal);
      else
        await kube.patch(
          CONFIG_MAPS,
          RECORD,
          { type: "merge", body: { metadata: { resourceVersion, annotations } } },
          signal,
        );
      logger.info({ address, port }, "this cloudcore's port for KubeEdge's iptables manager");
      return port;
    } catch (error) {
      const isRace = hasCode(error, "Conflict") || hasCode(error, "AlreadyExists");
      if (!isRace || tries === TRIES_MAX) throw error;
    }
  }
}
