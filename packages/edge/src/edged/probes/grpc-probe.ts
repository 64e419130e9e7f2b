import { once } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { grpcCodeName } from "@kedge/cri";
import { formatGoDuration } from "../pods/go-duration.ts";
import { healthRequest, healthStatus, SERVING } from "./grpc-health.ts";
import { KUBELET_VERSION } from "./http-get.ts";
import { explainNetworkFailure, joinHostPort } from "./network-failure.ts";
import { failed, PROBE_OUTPUT_BYTES_MAX, type ProbeOutcome, succeeded } from "./probe-outcome.ts";
import { DeadlineError, withDeadline } from "../with-deadline.ts";

const RECONNECT_MS = 1_000;
const OK = "0";
const UNIMPLEMENTED = "12";

export interface GrpcTarget {
  readonly host: string;
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
}

/**
 * Well is who answers `grpc.health.v1.Health/Check` with SERVING. Plaintext, as kubelets do, which also try to connect until
 * the time is over.
 */
export async function grpcProbe(target: GrpcTarget, timeoutMs: number, signal: AbortSignal): Promise<ProbeOutcome> {
  const address = joinHostPort(target.host, target.port);
  let connected = false;
  try {
    return await withDeadline(timeoutMs, signal, async (late) => {
      using session = await connectBy(address, late);
      connected = true;
      return await check(session, target.service, late);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof DeadlineError))
      return failed(`error: health rpc probe failed: ${explainNetworkFailure(error, address)}`);
    const time = formatGoDuration(timeoutMs);
    if (connected) return failed(`timeout: health rpc did not complete within ${time}`);
    return failed(`timeout: failed to connect service "${address}" within ${time}: ${error.message}`);
  }
}

/** @throws the signal's reason */
async function connectBy(address: string, signal: AbortSignal): Promise<ClientHttp2Session & Disposable> {
  for (;;) {
    const session = connect(`http://${address}`);
    session.on("error", () => undefined); // whoever waits gets it, too
    try {
      await once(session, "connect", { signal });
      return Object.assign(session, { [Symbol.dispose]: () => session.destroy() });
    } catch {
      session.destroy();
      await delay(RECONNECT_MS, undefined, { signal });
    }
  }
}

async function check(session: ClientHttp2Session, service: string, signal: AbortSignal): Promise<ProbeOutcome> {
  const stream = session.request(
    {
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": `kube-probe/${KUBELET_VERSION}`,
    },
    { signal },
  );
  let said: IncomingHttpHeaders = {};
  const take = (headers: IncomingHttpHeaders) => (said = { ...said, ...headers });
  stream.on("response", take).on("trailers", take);
  stream.end(healthRequest(service));
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > PROBE_OUTPUT_BYTES_MAX) throw new Error("the answer is too long for a health status");
    parts.push(part);
  }
  const { "grpc-status": code, ":status": http } = said;
  const message = decode(said["grpc-message"]);
  if (code === undefined) return failed(`error: health rpc probe failed: rpc error: HTTP status ${String(http)}`);
  if (code === UNIMPLEMENTED)
    return failed(`error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${message}`);
  if (code !== OK) {
    const reason = `code = ${grpcCodeName(Number(code))} desc = ${message}`;
    return failed(`error: health rpc probe failed: rpc error: ${reason}`);
  }
  const status = healthStatus(Buffer.concat(parts));
  return status === SERVING ? succeeded("service healthy") : failed(`service unhealthy (responded with "${status}")`);
}

/** Messages are percent-encoded, but for servers that forget to. */
function decode(message: string | string[] | undefined): string {
  const text = String(message ?? "");
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
