export { LinkError, type LinkClosed } from "./link-error.ts";
export { WebSocketLink } from "./websocket-link.ts";
export type { WebSocketLinkOptions } from "./link-end.ts";
export type { LinkAgreement, MessageHandler } from "./incoming-queue.ts";
export type { TrafficHook } from "./traffic-type.ts";
export { connectWebSocket, type ConnectOptions } from "./connect-websocket.ts";
export {
  type LinkAdmission,
  type LinkRefusal,
  type LinkRequest,
  type ServerLoad,
  WebSocketServer,
  type WebSocketServerOptions,
} from "./websocket-server.ts";
export type { TlsIdentity } from "./tls-options.ts";
export { TunnelError } from "./tunnel-error.ts";
export { TunnelConnection } from "./tunnel-connection.ts";
export { TUNNEL_SESSIONS_MAX, TunnelLink, type TunnelConnectType, type TunnelLinkOptions } from "./tunnel-link.ts";
export { connectTunnel, type ConnectTunnelOptions } from "./connect-tunnel.ts";
export { startTunnelServer, type TunnelServerOptions } from "./tunnel-server.ts";
