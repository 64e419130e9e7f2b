import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { TunnelHeaders } from "@kedge/protocol";
import { toError } from "@kedge/runtime";
import { TunnelError } from "@kedge/transport";
import { answerOf, refusal, type Relayed, type RelayDeps } from "./relay-response.ts";
import { StreamEnding } from "./stream-ending.ts";

/**
 * Hands a connection over to the node, both ways, until one of both ends it: exec, attach, port-forward. What is spoken on
 * it, SPDY or WebSocket, is theirs; only if the tunnel is cut, the caller is told so in words of theirs, since clients
 * take a connection that just ends for success.
 *
 * @throws {KubeletRefusal} if nothing was answered yet.
 */
export async function relayUpgrade(
  { node, kind, request }: Relayed,
  socket: Duplex,
  head: Buffer,
  { tunnels }: RelayDeps,
): Promise<void> {
  let connection;
  try {
    connection = tunnels.connect(node, kind, request);
  } catch (error) {
    throw refusal(node, error);
  }
  connection.on("error", () => undefined); // the pipes hear of it
  const leave = () => void connection.destroy(new TunnelError("Failed", "the client went away"));
  socket.once("close", leave);
  const ending = new StreamEnding(request);
  if (connection.agreed) {
    const { status, headers } = await answerOf(connection, node);
    socket.write(statusLines(status, headers));
    if (status !== 101) {
      await pipeline(connection, socket).catch(() => socket.destroy());
      return;
    }
    ending.begin(headers);
  }
  if (head.length > 0) connection.write(head);
  socket.pipe(connection);
  try {
    for await (const piece of connection as AsyncIterable<Buffer>) {
      const whole = ending.whole(piece);
      if (whole.length > 0 && !socket.write(whole)) await drained(socket);
    }
    socket.end(ending.rest());
  } catch (error) {
    if (socket.destroyed) return;
    socket.end(ending.broken(`the stream to node ${node} was cut: ${toError(error).message}`));
  }
}

function statusLines(status: number, headers: TunnelHeaders): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`];
  for (const [name, values] of Object.entries(headers))
    for (const value of values)
      if (status === 101 || !/^(connection|keep-alive|transfer-encoding)$/i.test(name))
        lines.push(`${clean(name)}: ${clean(value)}`);
  if (status !== 101) lines.push("Connection: close");
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A node must not write lines of its own into our answer. */
function clean(text: string): string {
  return text.replaceAll(/[\r\n]/g, " ");
}

function drained(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    socket.once("drain", resolve);
    socket.once("close", resolve);
  });
}
