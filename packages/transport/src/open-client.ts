import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { LinkError } from "./link-error.ts";

/** A refusal's text beyond this many characters is cut. */
const REFUSAL_CHARS_MAX = 500;

/**
 * Waits until a socket that was just made is open, or cannot be.
 *
 * @param take the owner from then on, called in the very turn in which the socket opens, so that no message is lost.
 * @throws {LinkError} `Refused` with what the server says, `ConnectTimeout`, `ConnectFailed`; the signal's reason.
 */
export async function openClient<T>(
  socket: WebSocket,
  { url, handshakeTimeoutMs }: { readonly url: string; readonly handshakeTimeoutMs: number },
  take: (answer: IncomingMessage) => T,
  signal: AbortSignal,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
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
  socket.once("upgrade", (answer) =>
    socket.once("open", () => {
      socket.off("error", fail);
      resolve(take(answer));
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
