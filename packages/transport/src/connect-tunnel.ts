import { TUNNEL_FRAME_BYTES_MAX, TUNNEL_PATH, TUNNEL_VERSION, TunnelHeader } from "@kedge/protocol";
import type { Logger } from "@kedge/runtime";
import { WebSocket } from "ws";
import { openClient } from "./open-client.ts";
import { channelTls, type TlsIdentity } from "./tls-options.ts";
import { TunnelLink, type TunnelLinkOptions } from "./tunnel-link.ts";

export interface ConnectTunnelOptions extends Pick<TunnelLinkOptions, "onConnect" | "onClose"> {
  /** `host:port` of the cloud's tunnel. */
  readonly server: string;
  readonly nodeName: string;
  /** Of the node; stock clouds find the tunnel by it. */
  readonly nodeIP: string;
  readonly tls: TlsIdentity;
  readonly handshakeTimeoutMs: number;
  readonly logger: Logger;
}

/** A stock cloud is pinged as often as a stock edge does. */
const STOCK_PING_MS = 5_000;
/** A node's idle traffic counts: this is 0.5 MB a day. */
const AGREED_PING_MS = 60_000;

/**
 * Opens a node's tunnel; the server's certificate must be of the given CA and name the host.
 *
 * @throws {LinkError} as `connectWebSocket`.
 */
export async function connectTunnel(options: ConnectTunnelOptions, signal: AbortSignal): Promise<TunnelLink> {
  const { server, nodeName, nodeIP, tls, handshakeTimeoutMs, logger, onConnect, onClose } = options;
  const url = `wss://${server}${TUNNEL_PATH}`;
  const headers = {
    [TunnelHeader.node]: nodeName,
    [TunnelHeader.internalIP]: nodeIP,
    [TunnelHeader.agreement]: TUNNEL_VERSION,
  };
  const socket = new WebSocket(url, {
    headers,
    perMessageDeflate: false,
    maxPayload: TUNNEL_FRAME_BYTES_MAX,
    skipUTF8Validation: true, // stock's text frames hold bytes
    // Masks keep scripts in browsers from speaking to proxies; nobody reads along in here. An agent that runs bytecode alone would
    // spend more on XOR, byte by byte, than on all else that a log takes.
    generateMask: (mask) => void mask.fill(0),
    followRedirects: false,
    ...channelTls(tls),
    rejectUnauthorized: true,
  });
  return openClient(
    socket,
    { url, handshakeTimeoutMs },
    ({ headers: answered }) => {
      const agreed = answered[AGREEMENT_HEADER] === TUNNEL_VERSION;
      return new TunnelLink(socket, {
        logger,
        agreed,
        pingAfterMs: agreed ? AGREED_PING_MS : STOCK_PING_MS,
        ...(onConnect !== undefined && { onConnect }),
        ...(onClose !== undefined && { onClose }),
      });
    },
    signal,
  );
}

/** As Node gives it. */
const AGREEMENT_HEADER = TunnelHeader.agreement.toLowerCase();
