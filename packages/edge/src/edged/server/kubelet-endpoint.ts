import type { CriClient } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { abortable, type Clock } from "@kedge/runtime";
import type { NodeStats } from "../stats/node-stats.ts";
import { findPod } from "./find-container.ts";
import { KubeletError } from "./kubelet-error.ts";
import { answer, jsonAnswer, type KubeletAnswer, type KubeletRequest, metricsAnswer } from "./kubelet-request.ts";
import { type KubeletMatch, matchKubeletRoute } from "./kubelet-routes.ts";
import { RunningContainers } from "./running-containers.ts";
import { runningPods } from "./running-pods.ts";
import { serveLogs } from "./serve-logs.ts";
import { serveAttach, serveExec, servePortForward, serveRun } from "./serve-streams.ts";

export interface KubeletEndpointDeps {
  readonly cri: CriClient;
  readonly clock: Clock;
  /** The pods of this node, with the status last decided here. */
  readonly pods: () => readonly Pod[];
  /** Resolves once it is known which pods there are. */
  readonly listed: () => Promise<void>;
  /** Whether the work on pods goes on; why not. */
  readonly problem: () => string | undefined;
  readonly probeMetrics: () => string;
  /** As edgecore.yaml has it. */
  readonly kubeletConfig: object;
  readonly stats: NodeStats;
  readonly podLogsDirectory: string;
}

/** How long a request waits for an agent that has just started. */
const LISTED_MS = 15_000;

/** Members of the configuration that may hold credentials. */
const CONFIG_HIDDEN: ReadonlySet<string> = new Set(["staticPodURLHeader"]);

/** What a kubelet serves on its port. It asks nobody who they are: whoever lets a request in has done so. */
export class KubeletEndpoint {
  readonly #deps: KubeletEndpointDeps;
  readonly #running: RunningContainers;

  constructor(deps: KubeletEndpointDeps) {
    this.#deps = deps;
    this.#running = new RunningContainers(deps.cri.runtime);
  }

  /** Refusals are answers, too. @throws the request's signal's reason */
  async answer(request: KubeletRequest): Promise<KubeletAnswer> {
    const match = matchKubeletRoute(request.method, request.path);
    if (match === "notFound") return answer(404, `404 page not found: ${request.path}\n`);
    if (match === "wrongMethod") return answer(405, `${request.method} is not allowed here\n`);
    try {
      // An agent that has just started knows of no pod: that is not to say that there is none.
      if (match.parameters["pod"] !== undefined) await this.#untilListed(request.signal);
      return await this.#serve(request, match);
    } catch (error) {
      request.signal.throwIfAborted();
      if (error instanceof KubeletError && error.code !== "LogGone") return answer(error.details.status, error.message);
      throw error;
    }
  }

  async #untilListed(signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.timeout(LISTED_MS);
    try {
      await abortable(this.#deps.listed(), AbortSignal.any([signal, limit]));
    } catch (error) {
      if (!limit.aborted) throw error;
      throw KubeletError.notReady("the agent has just started, and does not know this node's pods yet: try again");
    }
  }

  async #serve(request: KubeletRequest, { route, parameters }: KubeletMatch): Promise<KubeletAnswer> {
    const { cri, stats, clock, podLogsDirectory } = this.#deps;
    const { signal, query } = request;
    const pod = () =>
      findPod(this.#deps.pods(), parameters["namespace"] ?? "", parameters["pod"] ?? "", parameters["uid"]);
    const container = parameters["container"] ?? "";
    switch (route.name) {
      case "health": {
        const problem = this.#deps.problem();
        return problem === undefined ? answer(200, "ok") : answer(500, problem);
      }
      case "pods":
        return jsonAnswer({ kind: "PodList", apiVersion: "v1", metadata: {}, items: this.#deps.pods() });
      case "runningPods":
        return jsonAnswer(await runningPods(cri.runtime, signal));
      case "logs": {
        const deps = { runtime: cri.runtime, running: this.#running, nowMs: () => clock.now(), podLogsDirectory };
        return serveLogs(request, pod(), container, deps);
      }
      case "exec":
        return serveExec(request, pod(), container, cri.runtime);
      case "attach":
        return serveAttach(request, pod(), container, cri.runtime);
      case "portForward":
        return servePortForward(request, pod(), cri.runtime);
      case "run":
        return serveRun(request, pod(), container, cri.runtime);
      case "summary":
        return jsonAnswer(
          await stats.summary({ onlyCpuAndMemory: query.get("only_cpu_and_memory") === "true" }, signal),
        );
      case "resourceMetrics":
        return metricsAnswer(await stats.resourceMetrics(signal));
      case "cadvisorMetrics":
        return metricsAnswer(await stats.cadvisorMetrics(signal));
      case "probeMetrics":
        return metricsAnswer(this.#deps.probeMetrics());
      case "config": {
        const shown = Object.entries(this.#deps.kubeletConfig).filter(([name]) => !CONFIG_HIDDEN.has(name));
        return jsonAnswer({ kubeletconfig: Object.fromEntries(shown) });
      }
      case "agent": // answered before it comes here
        return answer(404, "not found");
    }
  }
}
