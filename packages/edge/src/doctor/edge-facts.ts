import type { EdgeCoreConfig } from "@kedge/api";
import type { AgentStatusDocument } from "../edgecore-status.ts";
import type { CertificatePaths } from "../edgehub/certificate-files.ts";

/** What one check finds and later ones build on. */
export interface EdgeFacts {
  readonly configPath: string;
  /** Absent: the file cannot be used, and nothing else can be checked. */
  config?: EdgeCoreConfig;
  /** What a running agent of this node says of itself. */
  agent?: AgentStatusDocument | undefined;
  /** Another agent, who answers at the port that this one is to have. */
  foreignAgent?: AgentStatusDocument;
  /** Whether the container runtime answered: what else it knows is asked only then. */
  runtimeAnswers?: boolean;
  /** Hosts that do not resolve, and `host:port`s that nobody listens at: what needs them is not tried. */
  readonly unreachable: Set<string>;
  /** PEM of the CA that the cloud's certificate was, or is to be, checked against. */
  ca?: string;
  /** How far this host's clock is ahead of the cloud's, in ms; to the second. */
  clockAheadMs?: number;
}

export interface CloudServer {
  /** The key of edgecore.yaml that names it. */
  readonly key: string;
  readonly host: string;
  readonly port: number;
}

/** The two places where an edge meets the cloud. */
export function cloudServers({
  modules: { edgeHub },
}: EdgeCoreConfig): readonly [https: CloudServer, webSocket: CloudServer] {
  return [
    server("modules.edgeHub.httpServer", edgeHub.httpServer, 443),
    server("modules.edgeHub.websocket.server", `wss://${edgeHub.websocket.server}`, 443),
  ];
}

function server(key: string, address: string, portDefault: number): CloudServer {
  const { hostname, port } = new URL(address);
  return { key, host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? portDefault : Number(port) };
}

/** `host:port`, as people write it. */
export function addressOf({ host, port }: CloudServer): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export function certificatePaths({ modules: { edgeHub } }: EdgeCoreConfig): CertificatePaths {
  return { caFile: edgeHub.tlsCaFile, certFile: edgeHub.tlsCertFile, keyFile: edgeHub.tlsPrivateKeyFile };
}
