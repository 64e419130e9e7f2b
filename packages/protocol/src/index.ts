export { type Message, type MessageHeader, type MessageRoute, newMessage, type NewMessage } from "./message.ts";
export { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX } from "./message-codec.ts";
export { ProtocolError } from "./protocol-error.ts";
export {
  ChannelHeader,
  CONNECTION_USE_MESSAGES,
  DEFAULT_PROJECT_ID,
  Group,
  NODES_GROUP,
  nodeUserName,
  OK,
  Operation,
  Source,
  VOLUME_OPERATIONS,
} from "./catalogue.ts";
export {
  formatResource,
  parseObjectResource,
  parseResource,
  type ResourcePath,
  targetNode,
  toNode,
  trimNodePrefix,
} from "./resource-path.ts";
export { requiresAck } from "./requires-ack.ts";
export {
  errStatus,
  type ErrStatusContent,
  isErrorContent,
  type ObjectResp,
  readObjectResp,
  readOk,
  readQueriedObject,
} from "./response-content.ts";
export * from "./messages-to-edge.ts";
export * from "./messages-to-cloud.ts";
export {
  type ChannelAgreement,
  type ChannelOffer,
  type ControlFrame,
  decodeControlFrame,
  encodeControlFrame,
  formatAgreement,
  formatOffer,
  FRAME_COMPRESSED,
  KEDGE_CHANNEL_HEADER,
  parseAgreement,
  parseOffer,
} from "./kedge-channel.ts";
export {
  bucketOf,
  type Digest,
  DIGEST_TYPES,
  digestOf,
  digestRoot,
  differingBuckets,
  type HeldObject,
} from "./digest.ts";
export {
  DIGEST_LIST_OBJECTS_MAX,
  type DigestAnswer,
  digestAnswer,
  type DigestQuestion,
  digestQuestion,
  readDigestAnswer,
  readDigestQuestion,
} from "./digest-messages.ts";
export {
  readTunnelFrame,
  TUNNEL_DATA_BYTES_MAX,
  TUNNEL_FRAME_BYTES_MAX,
  TUNNEL_FRAME_DATA_BYTES_MAX,
  TUNNEL_PATH,
  TUNNEL_VERSION,
  type TunnelFrame,
  tunnelFrameHead,
  TunnelFrameType,
  TunnelHeader,
  writeTunnelFrame,
} from "./tunnel-frame.ts";
export {
  decodeTunnelConnect,
  decodeTunnelEnd,
  decodeTunnelResponse,
  encodeTunnelConnect,
  encodeTunnelEnd,
  encodeTunnelResponse,
  TUNNEL_MARK_BYTES_MAX,
  TUNNEL_TARGET_HOST,
  type TunnelConnect,
  type TunnelEnd,
  type TunnelEndCode,
  type TunnelHeaders,
  type TunnelResponse,
  type TunnelResume,
} from "./tunnel-connect.ts";
export { decodeCredit, encodeCredit, ReceiveCredit, SendCredit, TUNNEL_WINDOW_BYTES } from "./tunnel-credit.ts";
