import { once } from "node:events";
import { connect } from "node:net";
import { explainNetworkFailure, joinHostPort } from "./network-failure.ts";
import { failed, type ProbeOutcome, succeeded } from "./probe-outcome.ts";
import { DeadlineError, withDeadline } from "../with-deadline.ts";

/** Well is who accepts a connection. */
export async function tcpProbe(
  host: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const socket = connect({ host, port });
  socket.on("error", () => undefined); // whoever waits gets it, too
  try {
    await withDeadline(timeoutMs, signal, (late) => once(socket, "connect", { signal: late }));
    return succeeded();
  } catch (error) {
    signal.throwIfAborted();
    const address = joinHostPort(host, port);
    return failed(
      error instanceof DeadlineError ? `dial tcp ${address}: i/o timeout` : explainNetworkFailure(error, address),
    );
  } finally {
    socket.destroy();
  }
}
