import { MESSAGE_BYTES_MAX } from "@kedge/protocol";
import { WebSocket } from "ws";
import { linkEnd, type WebSocketLinkOptions } from "./link-end.ts";
import { LinkError } from "./link-error.ts";
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

/** A refusal's text beyond this many characters is cut. */
const REFUSAL_CHARS_MAX = 500;

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
  const { promise, resolve, reject } = Promise.withResolvers<WebSocketLink>();
  const abort = () => reject(signal.reason as Error);
  const late = () =>
    reject(
      new LinkError(`${url} did not answer within ${handshakeTimeoutMs} ms`, {
        code: "ConnectTimeout",
        url,
        timeoutMs: handshakeTimeoutMs,
      }),
    );
  const timer = setTimeout(late, handshakeTimeoutMs);
  signal.addEventListener("abort", abort, { once: true });
  socket.once("upgrade", ({ headers: responseHeaders, socket: connection }) =>
    socket.once("open", () => {
      // The link takes over in this very turn, so that no message is lost in between.
      socket.off("error", fail);
      resolve(new WebSocketLink(socket, connection, linkEnd(options, true), responseHeaders));
    }),
  );
  const fail = (error: Error) => reject(connectFailed(url, error));
  socket.on("error", fail);
  socket.once("unexpected-response", (_request, response) => {
    let reason = "";
    response.setEncoding("utf8");
    response.on("data", (text: string) => void (reason = (reason + text).slice(0, REFUSAL_CHARS_MAX)));
    response.on("error", fail);
    response.on("end", () =>
      reject(refused(url, response.statusCode ?? 0, reason.trim(), response.headers["retry-after"])),
    );
  });
  try {
    return await promise;
  } catch (error) {
    socket.on("error", () => undefined); // terminating a socket that is not open yet is reported as an error
    socket.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

function refused(url: string, httpStatus: number, reason: string, retryAfter: string | undefined): LinkError {
  const seconds = Number(retryAfter);
  const retryAfterSeconds = retryAfter !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
  const says = reason === "" ? "without saying why" : `and says: ${reason}`;
  return new LinkError(`${url} refused the connection with HTTP status ${httpStatus} ${says}`, {
    code: "Refused",
    httpStatus,
    reason,
    retryAfterSeconds,
  });
}

function connectFailed(url: string, error: Error): LinkError {
  const cause = (error as { code?: string }).code ?? error.message;
  return new LinkError(
    `cannot connect to ${url}: ${error.message}`,
    { code: "ConnectFailed", url, cause },
    { cause: error },
  );
}
