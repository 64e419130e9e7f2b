import { setTimeout as delay } from "node:timers/promises";
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { TunnelResponse, TunnelResume } from "@kedge/protocol";
import { hasCode, toError } from "@kedge/runtime";
import { type TunnelConnection, TunnelError } from "@kedge/transport";
import { KubeletRefusal } from "./kubelet-refusal.ts";
import type { ConnectKind } from "./kubelet-routes.ts";
import { headersForCaller } from "./request-headers.ts";
import type { NodeRequest, Tunnels } from "./tunnels.ts";
import { writeThrough } from "./write-through.ts";

/** From the request to the first word of an edge of ours. */
export const ANSWER_MS_MAX = 30_000;
/** How long a log whose node went away waits for it to return. */
const RESUME_MS_MAX = 60_000;
/** Before a node that is back, and does not go on with its log, is asked again. */
const RESUME_AGAIN_MS = 500;
/** How often one log is taken up again: a node whose tunnel breaks at once, again and again, must not keep us busy. */
const RESUMES_MAX = 1_000;

export interface RelayDeps {
  readonly tunnels: Tunnels;
}

/** What is asked of which node. */
export interface Relayed {
  readonly node: string;
  readonly kind: ConnectKind;
  readonly request: NodeRequest;
}

/**
 * Answers a request that upgrades nothing with what the node answers. A log goes on where it was cut once the node is back;
 * whatever else breaks half way, ends broken: nobody takes it for whole.
 *
 * @throws {KubeletRefusal} if nothing was answered yet.
 */
export async function relayResponse(
  relayed: Relayed,
  response: ServerResponse,
  { tunnels }: RelayDeps,
  signal: AbortSignal,
): Promise<void> {
  let connection = open(relayed, tunnels);
  const leave = () => void connection.destroy(new TunnelError("Failed", "the client went away"));
  signal.addEventListener("abort", leave, { once: true });
  try {
    await answerHead(connection, relayed, response);
    const isLog = relayed.kind === "logsConnect" && connection.agreed;
    let from: TunnelResume | undefined;
    for (let resumes = 0; ; resumes += 1) {
      let taken = 0;
      try {
        await writeThrough(connection, response, signal, (bytes) => (taken += bytes));
        return void response.end();
      } catch (error) {
        if (signal.aborted) return;
        const canResume = isLog && response.statusCode === 200 && resumes < RESUMES_MAX && mayReturn(error);
        if (!canResume) return breakOff(response, relayed, toError(error).message);
        // What was cut before its first mark and byte has not begun: as before, then.
        const place = connection.resumeAt(taken) ?? (taken === 0 ? from : "unknown");
        if (place === "unknown")
          return breakOff(response, relayed, `the tunnel was cut, and from where to go on is not known`);
        from = place;
        const resumed = await resume(relayed, from, tunnels, signal);
        if (signal.aborted) return;
        if (typeof resumed === "string") return breakOff(response, relayed, resumed);
        connection = resumed;
      }
    }
  } finally {
    signal.removeEventListener("abort", leave);
    if (!connection.destroyed) connection.destroy();
  }
}

function open({ node, kind, request }: Relayed, tunnels: Tunnels, from: Partial<NodeRequest> = {}): TunnelConnection {
  try {
    const connection = tunnels.connect(node, kind, { ...request, ...from });
    connection.on("error", () => undefined); // whoever reads gets it, too
    return connection;
  } catch (error) {
    throw refusal(node, error);
  }
}

/** What a tunnel says, for the caller. */
export function refusal(node: string, error: unknown): unknown {
  if (!(error instanceof TunnelError)) return error;
  if (error.code === "TooManySessions") return KubeletRefusal.of("TooManySessions", `node ${node}: ${error.message}`);
  return KubeletRefusal.of("NotConnected", `node ${node}: ${error.message}`, error);
}

async function answerHead(
  connection: TunnelConnection,
  { node, request }: Relayed,
  response: ServerResponse,
): Promise<void> {
  // A stock edge says nothing of status and headers; what it sends is the body.
  const head = connection.agreed ? await answerOf(connection, node) : { status: 200, headers: {} };
  if (head.status === 101) throw KubeletRefusal.of("BadAnswer", `node ${node} switches protocols unasked`);
  response.writeHead(head.status, { ...stockHeaders(connection, request.path), ...headersForCaller(head.headers) });
  response.flushHeaders(); // who follows a quiet log is to know that it has begun
}

/** @throws {KubeletRefusal} */
export async function answerOf(connection: TunnelConnection, node: string): Promise<TunnelResponse> {
  const tooLate = new TunnelError("Failed", `its edgecore did not answer within ${ANSWER_MS_MAX / 1000} s`);
  const timer = setTimeout(() => connection.destroy(tooLate), ANSWER_MS_MAX);
  try {
    const answer = await connection.response;
    // Whoever follows a redirect would call what a node names, from within the cluster.
    const makesSense = answer.status === 101 || (answer.status >= 200 && (answer.status < 300 || answer.status >= 400));
    if (makesSense && answer.status <= 599) return answer;
    connection.destroy(new TunnelError("Failed", "its answer makes no sense"));
    throw KubeletRefusal.of("BadAnswer", `node ${node} answers ${answer.status}, which is not passed on`);
  } catch (error) {
    throw refusal(node, error);
  } finally {
    clearTimeout(timer);
  }
}

function stockHeaders({ agreed }: TunnelConnection, path: string): OutgoingHttpHeaders {
  if (agreed) return {};
  if (path.startsWith("/metrics")) return { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  if (path.startsWith("/containerLogs/") || path === "/healthz") return { "content-type": "text/plain" };
  return { "content-type": "application/json" };
}

function mayReturn(error: unknown): boolean {
  return hasCode(error, "Cut") || hasCode(error, "Stopping");
}

/** @returns the connection that goes on where the last one ended, or why there is none. */
async function resume(
  relayed: Relayed,
  from: TunnelResume | undefined,
  tunnels: Tunnels,
  signal: AbortSignal,
): Promise<TunnelConnection | string> {
  const { node } = relayed;
  const limit = AbortSignal.timeout(RESUME_MS_MAX);
  const waiting = AbortSignal.any([signal, limit]);
  let why = `the tunnel to node ${node} was cut, and did not return`;
  try {
    for (;;) {
      await tunnels.waitFor(node, waiting);
      const connection = open(relayed, tunnels, from === undefined ? {} : { resume: from });
      try {
        const { status } = await answerOf(connection, node);
        if (status === 200) return connection;
        // An agent that has just begun does not know its pods yet.
        why = `node ${node} is back, and answers ${status}`;
        connection.destroy();
      } catch (error) {
        connection.destroy();
        if (!hasCode(error, "NotConnected")) return toError(error).message;
        if (hasCode(error.cause, "LogGone")) return error.message;
      }
      await delay(RESUME_AGAIN_MS, undefined, { signal: waiting });
    }
  } catch (error) {
    return limit.aborted ? `${why} within ${RESUME_MS_MAX / 1000} s` : toError(error).message;
  }
}

/** What reads like a whole answer and is none would be the worst: the connection breaks, and a log says so in its last line. */
function breakOff(response: ServerResponse, { kind, node }: Relayed, why: string): void {
  if (kind === "logsConnect" && response.statusCode === 200)
    response.write(`\nkedge: this log of node ${node} ends here, not at its end: ${why}\n`, () => response.destroy());
  else response.destroy();
}
