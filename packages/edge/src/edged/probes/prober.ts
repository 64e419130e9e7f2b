import { type CriClient, CriError } from "@kedge/cri";
import type { Container, Pod, Probe } from "@kedge/kube";
import type { Clock, Logger } from "@kedge/runtime";
import { expandArguments } from "../env/expand-variables.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import { PullGate } from "../images/pull-gate.ts";
import { runtimeMessage } from "../runtime/runtime-message.ts";
import { containerPort } from "./container-port.ts";
import { execProbe } from "./exec-probe.ts";
import { grpcProbe } from "./grpc-probe.ts";
import { httpTarget } from "./http-get.ts";
import { httpProbe } from "./http-probe.ts";
import { ProbeError } from "./probe-error.ts";
import { PROBE_NAMES, ProbeMetrics, type ProbeSeries } from "./probe-metrics.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import type { ProbeKind } from "./probe-state.ts";
import { tcpProbe } from "./tcp-probe.ts";

/** Each is a process in a container. Those beyond wait; their timeouts begin with the probe. */
const EXEC_PROBES_MAX = 16;
/** Connections that are open for probes at once. */
const NETWORK_PROBES_MAX = 64;
/** Probes that cannot be made are tried so often before it is told. */
const TRIES_MAX = 3;
export const PROBE_TIMEOUT_SECONDS = 1;

export interface ProberDeps {
  readonly cri: CriClient;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is asked, and of whom. */
export interface ProbeQuestion {
  readonly kind: ProbeKind;
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  readonly probe: Probe;
  readonly series: ProbeSeries;
}

/** Makes the node's probes, not too many at once, tells of those that fail, and counts all. */
export class Prober {
  readonly metrics = new ProbeMetrics();
  readonly #deps: ProberDeps;
  readonly #execs = new PullGate(EXEC_PROBES_MAX);
  readonly #connections = new PullGate(NETWORK_PROBES_MAX);

  constructor(deps: ProberDeps) {
    this.#deps = deps;
  }

  /** @returns whether the container is well; `undefined` if that could not be found out. @throws the signal's reason */
  async ask(question: ProbeQuestion, signal: AbortSignal): Promise<boolean | undefined> {
    const { events, clock, logger } = this.#deps;
    const { kind, pod, container, series } = question;
    const beganMs = clock.monotonic();
    const name = PROBE_NAMES[kind];
    try {
      const { result, output } = await this.#tryToAsk(question, signal);
      const seconds = (clock.monotonic() - beganMs) / 1000;
      series.count(result === "failure" ? "failed" : "successful", seconds);
      if (result === "failure") events.warn(pod, "Unhealthy", `${name} probe failed: ${output}`, container.name);
      if (result === "warning") events.warn(pod, "ProbeWarning", `${name} probe warning: ${output}`, container.name);
      return result !== "failure";
    } catch (error) {
      signal.throwIfAborted();
      logger.debug({ pod: pod.metadata?.name, container: container.name, kind, error }, "probe not made");
      const text = `${name} probe errored and resulted in unknown state: ${explain(error)}`;
      events.warn(pod, "Unhealthy", text, container.name);
      return undefined;
    }
  }

  async #tryToAsk(question: ProbeQuestion, signal: AbortSignal): Promise<ProbeOutcome> {
    for (let tries = 1; ; tries += 1) {
      try {
        const gate = question.probe.exec === undefined ? this.#connections : this.#execs;
        return await gate.run(() => this.#askOnce(question, signal), signal);
      } catch (error) {
        signal.throwIfAborted();
        if (tries === TRIES_MAX) throw error;
      }
    }
  }

  #askOnce({ pod, container, containerId, probe }: ProbeQuestion, signal: AbortSignal): Promise<ProbeOutcome> {
    const { exec, httpGet, tcpSocket, grpc, timeoutSeconds = PROBE_TIMEOUT_SECONDS } = probe;
    const timeoutMs = timeoutSeconds * 1000;
    const podIP = pod.status?.podIP;
    if (exec !== undefined) {
      // What the container's environment takes from elsewhere is not known here, as with kubelets.
      const values = (container.env ?? []).map(({ name, value = "" }) => ({ name, value }));
      const command = expandArguments(exec.command, values);
      return execProbe(this.#deps.cri.runtime, containerId, command, timeoutSeconds, signal);
    }
    if (httpGet !== undefined) return httpProbe(httpTarget(httpGet, container, podIP, "probe"), timeoutMs, signal);
    if (tcpSocket !== undefined) {
      const host = tcpSocket.host === undefined || tcpSocket.host === "" ? podIP : tcpSocket.host;
      return tcpProbe(addressOf(host), containerPort(tcpSocket.port, container), timeoutMs, signal);
    }
    if (grpc !== undefined) {
      const target = { host: addressOf(podIP), port: containerPort(grpc.port, {}), service: grpc.service ?? "" };
      return grpcProbe(target, timeoutMs, signal);
    }
    throw new ProbeError(`missing probe handler for container ${container.name}`, { code: "NoHandler" });
  }
}

/** In the words of gRPC, which users of a runtime know. */
function explain(error: unknown): string {
  const message = runtimeMessage(error);
  return error instanceof CriError ? `rpc error: code = ${error.code} desc = ${message}` : message;
}

function addressOf(host: string | undefined): string {
  if (host === undefined) throw new ProbeError("the pod has no address yet", { code: "NoAddress" });
  return host;
}
