import { isIP } from "node:net";
import type { CloudCoreConfig } from "@kedge/api";
import { CodedError } from "@kedge/runtime";
import type { PortRange } from "./node-ports.ts";

/** `modules.cloudStream` of cloudcore.yaml, and what of other modules concerns it. */
export interface CloudStreamConfig {
  /** To listen on. */
  readonly host: string;
  readonly tunnelPort: number;
  readonly streamPort: number;
  /** Where the API server reaches this cloudcore. */
  readonly nodeAddress: string;
  /** Absent: nodes get no ports of their own. */
  readonly nodePorts: PortRange | undefined;
  /** KubeEdge's way: nodes keep their addresses, and packet filters lead from a port to us. */
  readonly stockWay: boolean;
  readonly tunnelFiles: PemFiles;
  readonly streamFiles: PemFiles;
}

/** Paths; what is not there is made. */
export interface PemFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export class CloudStreamConfigError extends CodedError<{ readonly code: "BadNodePorts" | "BadNodeAddress" }> {}

/** @param ownAddress an address of this host that others reach. @throws {CloudStreamConfigError} */
export function readStreamConfig({ modules }: CloudCoreConfig, ownAddress: string): CloudStreamConfig | undefined {
  const { cloudStream, iptablesManager } = modules;
  if (!cloudStream.enable) return undefined;
  const { address: host, tunnelPort, streamPort } = cloudStream;
  const nodeAddress = cloudStream.nodeAddress || (isAnyAddress(host) ? ownAddress : host);
  if (isIP(nodeAddress) === 0)
    throw new CloudStreamConfigError(`modules.cloudStream.nodeAddress: ${nodeAddress} is not an IP address`, {
      code: "BadNodeAddress",
    });
  return {
    host,
    tunnelPort,
    streamPort,
    nodeAddress,
    nodePorts: readRange(cloudStream.nodePorts),
    stockWay: iptablesManager.enable,
    tunnelFiles: {
      ca: cloudStream.tlsTunnelCAFile,
      cert: cloudStream.tlsTunnelCertFile,
      key: cloudStream.tlsTunnelPrivateKeyFile,
    },
    streamFiles: {
      ca: cloudStream.tlsStreamCAFile,
      cert: cloudStream.tlsStreamCertFile,
      key: cloudStream.tlsStreamPrivateKeyFile,
    },
  };
}

function readRange(text: string): PortRange | undefined {
  if (text.trim() === "") return undefined;
  const [, first = "", last = ""] = /^\s*(\d{1,5})\s*-\s*(\d{1,5})\s*$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first !== "" && range.first >= 1 && range.last <= 65_535 && range.first <= range.last) return range;
  throw new CloudStreamConfigError(
    `modules.cloudStream.nodePorts: ${JSON.stringify(text)} is no range of ports: write 13000-29999, or nothing for none`,
    { code: "BadNodePorts" },
  );
}

/** "All addresses" is none that one could connect to. */
function isAnyAddress(address: string): boolean {
  return address === "" || /^[0:.]+$/.test(address);
}
