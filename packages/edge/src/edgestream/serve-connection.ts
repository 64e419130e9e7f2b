import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { TunnelHeaders } from "@kedge/protocol";
import { type Logger, toError } from "@kedge/runtime";
import { type TunnelConnection, TunnelError } from "@kedge/transport";
import { KubeletError } from "../edged/server/kubelet-error.ts";
import {
  answer,
  type KubeletAnswer,
  type KubeletHeaders,
  type KubeletRequest,
} from "../edged/server/kubelet-request.ts";
import { kubeletRequestOf } from "./kubelet-request-of.ts";

/** A later connection goes on at most so far back, and skips what has come since. */
const MARK_BYTES = 256 * 1024;
const MARK_MS = 5_000;

export type AnswerKubelet = (request: KubeletRequest) => Promise<KubeletAnswer>;

/** Answers one connection of the tunnel from the node's kubelet endpoint; it ends with the connection and never throws. */
export async function serveConnection(
  connection: TunnelConnection,
  { answerKubelet, logger, isUpgrade }: { answerKubelet: AnswerKubelet; logger: Logger; isUpgrade: boolean },
): Promise<void> {
  const left = new AbortController();
  const leave = () => left.abort();
  connection.once("close", leave).once("end", leave);
  // Only an upgraded connection says more; of others we must notice when the client leaves.
  if (!isUpgrade) connection.resume();
  try {
    const found = await answerOrRefuse(connection, answerKubelet, left.signal);
    if (found.stream !== undefined) {
      writeHead(connection, found, true);
      join(connection, found.stream);
    } else {
      connection.resume();
      await writeBody(connection, found, isUpgrade);
    }
  } catch (error) {
    if (left.signal.aborted || connection.destroyed) return;
    const { message } = toError(error);
    const code = error instanceof KubeletError && error.code === "LogGone" ? "LogGone" : "Failed";
    logger.debug({ path: connection.connect.path, code, cause: message }, "a stream to the cloud broke off");
    await end(connection, new TunnelError(code, message));
  }
}

/** A stock cloud understands no reason: there the user reads it as the last line. */
async function end(connection: TunnelConnection, error: TunnelError): Promise<void> {
  if (connection.agreed) connection.destroy(error);
  else if (await write(connection, Buffer.from(`\nerror: ${error.message}\n`))) connection.end();
}

async function answerOrRefuse(
  connection: TunnelConnection,
  answerKubelet: AnswerKubelet,
  signal: AbortSignal,
): Promise<KubeletAnswer> {
  try {
    return await answerKubelet(kubeletRequestOf(connection.connect, signal));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KubeletError)) return answer(500, toError(error).message);
    if (error.code === "LogGone") throw error;
    return answer(error.details.status, error.message);
  }
}

async function writeBody(connection: TunnelConnection, found: KubeletAnswer, isUpgrade: boolean): Promise<void> {
  const { body, place } = found;
  writeHead(connection, found, isUpgrade);
  if (typeof body === "string") {
    if (await write(connection, Buffer.from(body))) connection.end();
    return;
  }
  if (place !== undefined) connection.mark(place());
  let [bytes, markedMs] = [0, performance.now()];
  for await (const chunk of body) {
    if (!(await write(connection, chunk))) return;
    bytes += chunk.length;
    if (place === undefined || (bytes < MARK_BYTES && performance.now() - markedMs < MARK_MS)) continue;
    connection.mark(place());
    [bytes, markedMs] = [0, performance.now()];
  }
  connection.end();
}

/** Resolves when it is on its way. @returns false: nobody wants it any more. */
function write(connection: TunnelConnection, chunk: Uint8Array): Promise<boolean> {
  if (!connection.writable) return Promise.resolve(false);
  return new Promise((resolve) => {
    connection.write(chunk, (error) => resolve(!(error instanceof Error) && connection.writable));
  });
}

/** Stock clouds relay what they get for an upgrade as it is, so an HTTP head it must be; of all else they lose status and headers. */
function writeHead(connection: TunnelConnection, { status, headers, body }: KubeletAnswer, isUpgrade: boolean): void {
  const named = headersOf(headers);
  if (connection.agreed) return connection.respond({ status, headers: named });
  if (!isUpgrade) return;
  const lines = Object.entries(named).flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
  if (status !== 101) {
    lines.push("Connection: close");
    if (typeof body === "string") lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  }
  connection.write(Buffer.from([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, ...lines, "", ""].join("\r\n")));
}

/** As Go spells them: `X-Stream-Protocol-Version`. */
function headersOf(headers: KubeletHeaders): TunnelHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, values]) => [
      name.replaceAll(/(?:^|-)[a-z]/g, (start) => start.toUpperCase()),
      typeof values === "string" ? [values] : values,
    ]),
  );
}

/** Bytes both ways, each no faster than the other reads; they end together. */
function join(connection: TunnelConnection, stream: Duplex): void {
  stream.once("error", (error) =>
    connection.destroy(new TunnelError("Failed", `the container runtime ended the stream: ${error.message}`)),
  );
  stream.once("close", () => connection.end());
  connection.once("close", () => stream.destroy());
  if (connection.destroyed) stream.destroy();
  stream.pipe(connection);
  connection.pipe(stream);
}
