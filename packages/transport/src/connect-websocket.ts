import { MESSAGE_BYTES_MAX } from "@kedge/protocol";
import { WebSocket } from "ws";
import { linkEnd, type WebSocketLinkOptions } from "./link-end.ts";
import { openClient } from "./open-client.ts";
import { channelTls, type TlsIdentity } from "./tls-options.ts";
import { WebSocketLink } from "./websocket-link.ts";

export interface ConnectOptions extends WebSocketLinkOptions {
  /** `wss://host:port/<project>/<node>/events`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsIdentity;
  readonly handshakeTimeoutMs: number;
  /** Of this host, to connect from; default: as the kernel chooses. */
  readonly localAddress?: string;
}

/**
 * Opens a link; the server's certificate must be of the given CA and name the host.
 *
 * @throws {LinkError} `Refused` with what the server says, `ConnectTimeout`, `ConnectFailed`; the signal's reason.
 */
export async function connectWebSocket(options: ConnectOptions, signal: AbortSignal): Promise<WebSocketLink> {
  signal.throwIfAborted();
  const { url, headers, tls, handshakeTimeoutMs, localAddress } = options;
  const socket = new WebSocket(url, {
    headers: { ...headers },
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    skipUTF8Validation: true, // the link checks it: a bad text costs the message, not the connection
    followRedirects: false,
    ...channelTls(tls),
    rejectUnauthorized: true,
    ...(localAddress !== undefined && { localAddress }),
  });
  return openClient(
    socket,
    { url, handshakeTimeoutMs },
    ({ headers: responseHeaders, socket: connection }) =>
      new WebSocketLink(socket, connection, linkEnd(options, true), responseHeaders),
    signal,
  );
}
