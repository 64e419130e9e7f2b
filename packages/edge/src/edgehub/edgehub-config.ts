import type { EdgeCoreConfig } from "@kedge/api";
import type { EdgeHubConfig } from "./edgehub.ts";
import { HubError } from "./hub-error.ts";

/** Where `keadm join` leaves the token. */
export const BOOTSTRAP_FILE = "/etc/kubeedge/bootstrap-edgecore.conf";

function check(path: string, isRight: boolean, expected: string): void {
  if (!isRight) throw new HubError(`modules.edgeHub.${path} must be ${expected}`, { code: "BadConfig", path });
}

/** EdgeHub's part of `edgecore.yaml`; durations become milliseconds. @throws {HubError} `BadConfig` */
export function edgeHubConfig({ modules }: EdgeCoreConfig, bootstrapFile: string = BOOTSTRAP_FILE): EdgeHubConfig {
  const { edgeHub, edged } = modules;
  const { server } = edgeHub.websocket;
  check("websocket.enable", edgeHub.websocket.enable, "true: WebSocket is the one transport there is");
  check("websocket.server", URL.canParse(`wss://${server}`) && /:\d+$/.test(server), "host:port");
  check("httpServer", edgeHub.httpServer.startsWith("https:") && URL.canParse(edgeHub.httpServer), "https://host:port");
  return {
    nodeName: edged.hostnameOverride,
    projectId: edgeHub.projectID,
    server,
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
