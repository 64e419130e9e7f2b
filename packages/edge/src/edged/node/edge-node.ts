import { mkdir } from "node:fs/promises";
import type { EdgeCoreConfig } from "@kedge/api";
import { CriClient } from "@kedge/cri";
import type { Node } from "@kedge/kube";
import type { Clock, Logger } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import type { PodsAllocatable } from "../resources/cgroup-manager.ts";
import { nodeLeaseConfig, nodeReporterConfig } from "./node-config.ts";
import { NodeLease } from "./node-lease.ts";
import { NodeReporter } from "./node-reporter.ts";
import { RuntimeHealth } from "./runtime-health.ts";

export interface EdgeNodeDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Version of this agent. */
  readonly agentVersion: string;
}

/** This machine as a node: watches its container runtime, and tells the cluster how it is. */
export class EdgeNode implements AsyncDisposable {
  readonly #reporter: NodeReporter;
  readonly #health: RuntimeHealth;
  readonly #scope: AsyncDisposableStack;

  private constructor(reporter: NodeReporter, health: RuntimeHealth, scope: AsyncDisposableStack) {
    this.#reporter = reporter;
    this.#health = health;
    this.#scope = scope;
  }

  /** Works without cloud and without container runtime, too. @throws NodeConfigError, or what the signal says. */
  static async start(config: EdgeCoreConfig, deps: EdgeNodeDeps, signal: AbortSignal): Promise<EdgeNode> {
    const { bus, logger, clock, agentVersion } = deps;
    const { rootDirectory, tailoredKubeletConfig } = config.modules.edged;
    await using scope = new AsyncDisposableStack();
    await mkdir(rootDirectory, { recursive: true, mode: 0o750 });
    const cri = scope.use(new CriClient({ runtimeEndpoint: tailoredKubeletConfig.containerRuntimeEndpoint }));
    const health = scope.use(RuntimeHealth.start({ cri, logger, clock }));
    const reporterDeps = { bus, logger, clock, runtime: () => health.facts() };
    const reporter = scope.use(
      await NodeReporter.start(nodeReporterConfig(config, agentVersion), reporterDeps, signal),
    );
    health.onChange = () => reporter.reportSoon();
    scope.use(
      NodeLease.start(nodeLeaseConfig(config), {
        bus,
        logger,
        clock,
        node: () => reporter.registeredNode(),
        onRecovered: () => reporter.reportAll(),
      }),
    );
    return new EdgeNode(reporter, health, scope.move());
  }

  get name(): string {
    return this.#reporter.name;
  }

  get memoryCapacityBytes(): number {
    return this.#reporter.memoryCapacityBytes;
  }

  /** The node's addresses, primary first. */
  hostIPs(): readonly string[] {
    return this.#reporter.hostIPs();
  }

  /** What the node gives to pods, by resource. */
  allocatable(): Readonly<Record<string, string>> {
    return this.#reporter.allocatable();
  }

  /** What the cgroup of all pods is limited to: allocatable, before eviction thresholds. */
  podsLimit(): PodsAllocatable {
    return this.#reporter.resources.podsLimit;
  }

  /** The node as the cloud last knew it; undefined: never registered. */
  node(): Node | undefined {
    return this.#reporter.node();
  }

  /** Why no pod can be started now, in kubelet's words; empty: all is well. */
  runtimeErrors(): readonly string[] {
    return this.#health.facts().errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}
