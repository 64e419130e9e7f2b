export { LinkError, type LinkClosed } from "./link-error.ts";
export { type MessageHandler, WebSocketLink, type WebSocketLinkOptions } from "./websocket-link.ts";
export { connectWebSocket, type ConnectOptions } from "./connect-websocket.ts";
export {
  type LinkAdmission,
  type LinkRefusal,
  type LinkRequest,
  WebSocketServer,
  type WebSocketServerOptions,
} from "./websocket-server.ts";
export type { TlsIdentity } from "./tls-options.ts";
