import type { Node } from "@kedge/kube";
import { Backoff, type Clock, Component, hasCode, isAbort, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { RuntimeFeatures } from "../security/runtime-features.ts";
import type { EdgeBus } from "../../edge-messages.ts";
import { checkNodeConfig } from "./check-node-config.ts";
import { kubeletVersion, type StatusFacts, type NodeRegistration, type RuntimeFacts } from "./node-facts.ts";
import { readMachineInfo } from "./machine-info.ts";
import { nodeAddresses } from "./node-addresses.ts";
import { type NodeReservation, type NodeResources, nodeResources } from "./node-capacity.ts";
import { nodeStatus, registrationNode, standardLabels } from "./node-object.ts";
import { nodeStatusPatch } from "./node-status-patch.ts";

export interface NodeReporterConfig {
  readonly registration: NodeRegistration;
  readonly reservation: NodeReservation;
  /** `nodeIP`: empty, or one or two addresses. */
  readonly nodeIP: string;
  /** `customInterfaceName`; empty: whichever. */
  readonly interfaceName?: string;
  readonly rootDirectory: string;
  /** Version of this agent. */
  readonly agentVersion: string;
  /** `registerNode`; false: somebody else creates the node. */
  readonly registerNode: boolean;
  /** `nodeStatusUpdateFrequency` */
  readonly updateIntervalMs: number;
  /** `nodeStatusReportFrequency`: how often an unchanged status is told. */
  readonly reportIntervalMs: number;
}

export interface NodeReporterDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly runtime: () => RuntimeFacts | Promise<RuntimeFacts>;
  /** Told after each look whether the node can run pods, as its status says. */
  readonly onLook?: (ready: boolean) => void;
}

const REGISTER_WAIT_MIN_MS = 100;
const REGISTER_WAIT_MAX_MS = 7_000;
/** While the node is not ready we look more often, so that it does not stay so for longer than it must. */
const NOT_READY_INTERVAL_MS = 1_000;
/** A runtime that is restarted is not down: for so long what it said last counts. */
const RUNTIME_SILENT_MS_MAX = 30_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Nodes that come back together must not go on together. */
const JITTER = 0.04;
const ADDRESSES_MAX_AGE_MS = 60_000;

/** Registers the node and keeps its status in the cluster true. Nothing of the agent waits for it. */
export class NodeReporter extends Component {
  readonly name: string;
  readonly memoryCapacityBytes: number;
  /** As they were at the start: what the agent is sized for. */
  readonly resources: NodeResources;
  readonly #config: NodeReporterConfig;
  readonly #deps: NodeReporterDeps;
  readonly #wakeup = new WakeUp();
  readonly #backoff = new Backoff({ initialMs: REGISTER_WAIT_MIN_MS, maxMs: REGISTER_WAIT_MAX_MS });
  #listeners: Disposable[] = [];
  readonly #newNodeListeners: (() => void)[] = [];
  #loop: Promise<void> = Promise.resolve();
  #connected = true; // until we are told otherwise we try
  #registered = false;
  /** Whether the cloud has told us in this run who the node is. */
  #confirmed = false;
  #isStored = false;
  #forced = true;
  #labelsChecked = false;
  #node: Node | undefined;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #runtime: { readonly facts: RuntimeFacts; readonly atMs: number; readonly answers: boolean } | undefined;
  #addresses: { readonly value: StatusFacts["addresses"]; readonly atMs: number } | undefined;

  private constructor(config: NodeReporterConfig, deps: NodeReporterDeps) {
    super();
    this.#config = config;
    this.#deps = deps;
    const machine = readMachineInfo(config.rootDirectory);
    this.name = config.registration.nodeName;
    this.memoryCapacityBytes = machine.memoryBytes;
    this.resources = nodeResources(machine, config.reservation);
  }

  /**
   * Resolves once it works in the background, whether the cloud is there or not.
   *
   * @param config its `rootDirectory` exists.
   * @throws NodeConfigError
   */
  static async start(config: NodeReporterConfig, deps: NodeReporterDeps, signal: AbortSignal): Promise<NodeReporter> {
    checkNodeConfig(config);
    const reporter = new NodeReporter(config, deps);
    const { nodeName: name } = config.registration;
    // A node that started before knows itself, also while the cloud is away (W-10).
    reporter.#node = await deps.bus.request("meta/getNode", { name }, signal).catch(() => undefined);
    await reporter.#currentAddresses();
    signal.throwIfAborted();
    reporter.#listeners = [
      deps.bus.listen("hub/connection", ({ connected }) => reporter.#onConnection(connected)),
      deps.bus.listen("meta/objectChanged", ({ type, key }) => {
        if (type === "node" && key.name === name) reporter.#wakeup.wake();
      }),
    ];
    reporter.#loop = reporter.#run();
    return reporter;
  }

  /** The node as the cloud last knew it, also from before the start; undefined: this node was never registered. */
  node(): Node | undefined {
    return this.#node;
  }

  /** Undefined before the cloud has told in this run who the node is: what is stored may be of one that was deleted. */
  registeredNode(): Node | undefined {
    return this.#confirmed ? this.#node : undefined;
  }

  /** Calls `listener` when the cluster's node is another than before: deleted and registered anew, by us or by somebody. */
  onNewNode(listener: () => void): void {
    this.#newNodeListeners.push(listener);
  }

  /** The node's addresses, primary first. */
  hostIPs(): readonly string[] {
    const all = this.#addresses?.value ?? [];
    return all.filter(({ type }) => type === "InternalIP").map(({ address }) => address);
  }

  /** What the container runtime can do; `undefined`: it has not answered yet. */
  runtimeFeatures(): RuntimeFeatures | undefined {
    return this.#runtime?.facts.features;
  }

  /** What all pods together may use. */
  podsLimit(): NodeResources["podsLimit"] {
    return this.resources.podsLimit;
  }

  /** What the node gives to pods, by resource. */
  allocatable(): Readonly<Record<string, string>> {
    return this.resources.allocatable;
  }

  /** Looks at the node now, and tells the cloud what changed; for whoever knows that something did. */
  reportSoon(): void {
    this.#wakeup.wake();
  }

  /** As {@link reportSoon}, and tells it although nothing changed: the cluster may think otherwise. */
  reportAll(): void {
    this.#forced = true;
    this.#wakeup.wake();
  }

  #onConnection(connected: boolean): void {
    this.#connected = connected;
    if (!connected) return;
    this.#backoff.reset();
    this.reportAll(); // whatever the cluster thought of us meanwhile
  }

  async #run(): Promise<void> {
    const { logger } = this.#deps;
    while (!this.signal.aborted) {
      let waitMs = this.#config.updateIntervalMs * (1 + JITTER * (2 * Math.random() - 1));
      try {
        const ready = await this.#round();
        this.#backoff.reset();
        if (!ready) waitMs = Math.min(waitMs, NOT_READY_INTERVAL_MS);
      } catch (error) {
        if (isAbort(error, this.signal)) return;
        waitMs = Math.min(waitMs, this.#backoff.next());
        if (hasCode(error, "NotConnected")) logger.debug("node status waits for the cloud");
        else logger.warn({ error: toError(error) }, "node status not reported");
      }
      try {
        await this.#wakeup.waitOr(waitMs, this.#deps.clock, this.signal);
      } catch {
        return; // stopped
      }
    }
  }

  /** @returns whether the node is ready to run pods. */
  async #round(): Promise<boolean> {
    const facts = await this.#facts();
    this.#deps.onLook?.(facts.runtime.errors.length === 0);
    const ready = facts.runtime.errors.length === 0 && this.#runtime?.answers === true;
    if (!this.#connected) return ready; // nothing is asked, nothing is written (W-15)
    if (!this.#registered) await this.#register(facts);
    try {
      await this.#report(facts);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
      this.#deps.logger.warn({ node: this.name }, "the node was deleted from the cluster: registering it anew");
      this.#registered = this.#confirmed = false;
      this.#forced = true;
      await this.#register(facts);
      await this.#report(facts);
    }
    return ready;
  }

  /** What the cloud says that the node is. */
  #adopt(node: Node): void {
    const { uid } = node.metadata ?? {};
    const known = this.#node?.metadata?.uid;
    this.#node = node;
    if (uid === undefined || known === undefined || uid === known) return;
    this.#deps.logger.info({ node: this.name, uid }, "the cluster has another node of our name than before");
    this.#labelsChecked = false;
    this.#forced = true;
    for (const listener of this.#newNodeListeners) listener();
  }

  async #register(facts: StatusFacts): Promise<void> {
    const { bus, clock, logger } = this.#deps;
    const { registration, registerNode } = this.#config;
    const { nodeName: name } = registration;
    if (registerNode) {
      const node = registrationNode(registration, facts, clock.now());
      this.#adopt(await bus.request("meta/registerNode", node, this.#bounded()));
      logger.info({ node: name }, "node registered");
    } else {
      const node = await bus.request("meta/getNode", { name }, this.#bounded());
      if (node === undefined) throw new Error(`node ${name} does not exist, and registerNode is false: create it`);
      this.#adopt(node);
    }
    this.#registered = true;
  }

  async #report(facts: StatusFacts): Promise<void> {
    const { bus, clock } = this.#deps;
    const { nodeName: name } = this.#config.registration;
    const base = await this.#base(name);
    const labels = this.#labelsChecked ? {} : standardLabels(name, facts);
    const next: Node = {
      ...base,
      metadata: { ...base.metadata, labels: { ...base.metadata?.labels, ...labels, ...facts.runtime.topology } },
      status: nodeStatus(base.status ?? {}, facts, clock.now()),
    };
    const { patch, significant } = nodeStatusPatch(base, next);
    const due = clock.monotonic() - this.#reportedAtMs >= this.#config.reportIntervalMs;
    if (!significant && !due && !this.#forced) return;

    const forced = this.#forced;
    this.#forced = false;
    try {
      const node = await bus.request("meta/patchNodeStatus", { name, patch }, this.#bounded());
      this.#confirmed = true;
      this.#labelsChecked = true;
      this.#reportedAtMs = clock.monotonic();
      this.#adopt(node);
      if (this.#forced) this.#wakeup.wake(); // the patch was made for another node than this
    } catch (error) {
      this.#forced ||= forced;
      throw error;
    }
  }

  // What is stored is as new as what we were answered, or newer: others change nodes, too.
  async #base(name: string): Promise<Node> {
    const stored = await this.#deps.bus.request("meta/getNode", { name }, this.#bounded());
    if (stored !== undefined) this.#adopt(stored);
    else if (this.#isStored) this.#forced = true; // the cloud says that it is gone: ask
    this.#isStored = stored !== undefined;
    return this.#node ?? { metadata: { name } };
  }

  async #facts(): Promise<StatusFacts> {
    const { rootDirectory, reservation, agentVersion } = this.#config;
    const machine = readMachineInfo(rootDirectory);
    return {
      addresses: await this.#currentAddresses(),
      machine,
      resources: nodeResources(machine, reservation),
      runtime: await this.#currentRuntime(),
      version: kubeletVersion(agentVersion),
    };
  }

  async #currentRuntime(): Promise<RuntimeFacts> {
    const nowMs = this.#deps.clock.monotonic();
    const facts = await this.#deps.runtime();
    if (facts.version !== "") this.#runtime = { facts, atMs: nowMs, answers: true };
    else if (this.#runtime !== undefined) {
      this.#runtime = { ...this.#runtime, answers: false };
      if (nowMs - this.#runtime.atMs < RUNTIME_SILENT_MS_MAX) return this.#runtime.facts;
      return { ...facts, version: this.#runtime.facts.version };
    }
    return facts;
  }

  async #currentAddresses(): Promise<StatusFacts["addresses"]> {
    const nowMs = this.#deps.clock.monotonic();
    if (this.#addresses === undefined || nowMs - this.#addresses.atMs > ADDRESSES_MAX_AGE_MS) {
      const { nodeIP, interfaceName = "" } = this.#config;
      const value = await nodeAddresses(this.name, { nodeIP, interfaceName });
      this.#addresses = { value, atMs: nowMs };
    }
    return this.#addresses.value;
  }

  #bounded(): AbortSignal {
    return AbortSignal.any([this.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
  }

  protected override async stop(): Promise<void> {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    await this.#loop;
  }
}
