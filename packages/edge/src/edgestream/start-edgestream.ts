import type { EdgeCoreConfig } from "@kedge/api";
import { nodeAddresses } from "../edged/node/node-addresses.ts";
import { loadIdentity } from "../edgehub/certificate-files.ts";
import { EdgeStream, type EdgeStreamDeps } from "./edgestream.ts";

/** Starts the tunnel as edgecore.yaml has it. */
export function startEdgeStream(
  { modules: { edgeStream, edged } }: EdgeCoreConfig,
  deps: Omit<EdgeStreamDeps, "identity" | "nodeIP">,
): EdgeStream {
  const { hostnameOverride: nodeName, nodeIP, customInterfaceName: interfaceName } = edged;
  const { tlsTunnelCAFile, tlsTunnelCertFile, tlsTunnelPrivateKeyFile, server, handshakeTimeout } = edgeStream;
  const paths = { caFile: tlsTunnelCAFile, certFile: tlsTunnelCertFile, keyFile: tlsTunnelPrivateKeyFile };
  return EdgeStream.start(
    { nodeName, server, handshakeTimeoutMs: handshakeTimeout * 1000 },
    {
      ...deps,
      identity: () => {
        const stored = loadIdentity(paths, nodeName);
        return stored.state === "usable" ? stored.identity : undefined;
      },
      nodeIP: async () => {
        const addresses = await nodeAddresses(nodeName, { nodeIP, interfaceName });
        return addresses.find(({ type }) => type === "InternalIP")?.address ?? "";
      },
    },
  );
}
