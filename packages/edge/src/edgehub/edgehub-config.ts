import type { EdgeCoreConfig } from "@kedge/api";
import type { EdgeHubConfig } from "./edgehub.ts";

/** Where `keadm join` leaves the token. */
export const BOOTSTRAP_FILE = "/etc/kubeedge/bootstrap-edgecore.conf";

/** EdgeHub's part of `edgecore.yaml`; durations become milliseconds. */
export function edgeHubConfig({ modules }: EdgeCoreConfig, bootstrapFile: string = BOOTSTRAP_FILE): EdgeHubConfig {
  const { edgeHub, edged } = modules;
  return {
    nodeName: edged.hostnameOverride,
    projectId: edgeHub.projectID,
    server: edgeHub.websocket.server,
    handshakeTimeoutMs: edgeHub.websocket.handshakeTimeout * 1000,
    writeTimeoutMs: edgeHub.websocket.writeDeadline * 1000,
    heartbeatMs: edgeHub.heartbeat * 1000,
    messageQps: edgeHub.messageQPS,
    messageBurst: edgeHub.messageBurst,
    certificate: {
      httpServer: edgeHub.httpServer,
      token: edgeHub.token,
      bootstrapFile,
      rotate: edgeHub.rotateCertificates,
      paths: { caFile: edgeHub.tlsCaFile, certFile: edgeHub.tlsCertFile, keyFile: edgeHub.tlsPrivateKeyFile },
    },
  };
}
