import { TUNNEL_FRAME_BYTES_MAX, TUNNEL_VERSION, TunnelHeader } from "@kedge/protocol";
import { type Logger, toError } from "@kedge/runtime";
import type { TlsIdentity } from "./tls-options.ts";
import { TunnelLink } from "./tunnel-link.ts";
import { type LinkRefusal, type LinkRequest, WebSocketServer } from "./websocket-server.ts";

export interface TunnelServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Nodes need a certificate of `tls.ca`. */
  readonly tls: TlsIdentity;
  readonly logger: Logger;
  /** Decides whose tunnel is let in; undefined: it is. */
  readonly refuse: (request: LinkRequest) => LinkRefusal | undefined;
  /** Gets each new tunnel. */
  readonly onTunnel: (tunnel: TunnelLink, request: LinkRequest) => void;
}

/** Stock edges ping every 5 s, ours after 60 s: whoever is silent for longer than both is asked. */
const PING_AFTER_MS = 70_000;
const AGREEMENT = TunnelHeader.agreement.toLowerCase();

/** Accepts nodes' tunnels over mutual TLS; answers an edge of ours that we are ours, too. @throws as {@link WebSocketServer.start} */
export function startTunnelServer(options: TunnelServerOptions, signal: AbortSignal): Promise<WebSocketServer> {
  const { refuse, onTunnel, logger, ...server } = options;
  const admit = (request: LinkRequest) => {
    const refusal = refuse(request);
    const agreed = refusal === undefined && isAgreed(request);
    return { refusal, ...(agreed && { responseHeaders: { [TunnelHeader.agreement]: TUNNEL_VERSION } }) };
  };
  const take: Parameters<typeof WebSocketServer.startWith>[1]["take"] = (socket, _tls, request) => {
    const tunnel = new TunnelLink(socket, { logger, agreed: isAgreed(request), pingAfterMs: PING_AFTER_MS });
    try {
      onTunnel(tunnel, request);
    } catch (error) {
      logger.error({ remote: request.remoteAddress, error: toError(error) }, "a new tunnel was not taken");
      void tunnel.close("nobody has taken it");
    }
  };
  return WebSocketServer.startWith(
    { ...server, logger, admit },
    { messageBytesMax: TUNNEL_FRAME_BYTES_MAX, take },
    signal,
  );
}

function isAgreed({ headers }: LinkRequest): boolean {
  return headers[AGREEMENT] === TUNNEL_VERSION;
}
