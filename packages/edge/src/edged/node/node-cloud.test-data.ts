import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyStrategicMergePatch, KubeApiError, type Lease, type Node, NODE_STATUS_PATCH_SCHEMA } from "@kedge/kube";
import { type Clock, CodedError, MessageBus } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";

/** Time that only moves when a test says so. */
export class ManualClock implements Clock {
  #nowMs = Date.parse("2026-01-01T00:00:00Z");
  #sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  #watchers: (() => void)[] = [];

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { untilMs: this.#nowMs + ms, wake: () => finish(resolve) };
      const onAbort = () => finish(() => reject(signal.reason as Error));
      const finish = (settle: () => void) => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      if (signal.aborted) return reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#sleepers.add(sleeper);
      for (const watcher of this.#watchers.splice(0)) watcher();
    });
  }

  /** Resolves once somebody sleeps: then the work before is done. */
  asleep(): Promise<void> {
    return this.#sleepers.size > 0 ? Promise.resolve() : new Promise((resolve) => this.#watchers.push(resolve));
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const sleeper of this.#sleepers) if (sleeper.untilMs <= this.#nowMs) sleeper.wake();
  }
}

/** A cloud that holds one node and its lease, as MetaManager would reach it. */
export class NodeCloud implements Disposable {
  readonly bus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly clock = new ManualClock();
  readonly rootDirectory = mkdtempSync(join(tmpdir(), "kedge-node-"));
  /** What was asked, in order: topics without `meta/`. */
  readonly asked: string[] = [];
  node: Node | undefined;
  lease: Lease | undefined;
  /** What the edge's store has. */
  stored: Node | undefined;
  online = true;
  #version = 0;
  #nodes = 1;
  #waiting: { readonly seen: () => boolean; readonly resolve: () => void }[] = [];

  constructor() {
    const { bus } = this;
    bus.handle("meta/getNode", () => this.stored);
    bus.handle("meta/registerNode", (node) => {
      this.#enter("registerNode");
      // As MetaManager: what is stored, if there is such a node already.
      if (this.node !== undefined) return (this.stored ??= this.node);
      this.node = this.#stamp({
        ...node,
        metadata: { ...node.metadata, uid: this.#nodes === 1 ? "node-uid" : `node-uid-${this.#nodes}` },
      });
      return (this.stored = this.node);
    });
    bus.handle("meta/patchNodeStatus", ({ patch }) => {
      this.#enter("patchNodeStatus");
      if (this.node === undefined) throw refusal("NotFound", 404);
      this.node = this.#stamp(applyStrategicMergePatch(this.node, JSON.parse(patch), NODE_STATUS_PATCH_SCHEMA));
      return (this.stored = this.node);
    });
    bus.handle("meta/getLease", () => {
      this.#enter("getLease");
      return this.lease;
    });
    bus.handle("meta/createLease", (lease) => {
      this.#enter("createLease");
      if (this.lease !== undefined) throw refusal("AlreadyExists", 409);
      return (this.lease = this.#stamp(lease));
    });
    bus.handle("meta/updateLease", (lease) => {
      this.#enter("updateLease");
      if (this.lease === undefined) throw refusal("NotFound", 404);
      if (lease.metadata?.resourceVersion !== this.lease.metadata?.resourceVersion) throw refusal("Conflict", 409);
      return (this.lease = this.#stamp(lease));
    });
  }

  /** In the cluster; the edge does not hear of it. */
  deleteNode(): void {
    this.node = undefined;
    this.#nodes += 1;
  }

  /** Resolves once the node with this uid owns the lease. */
  async leased(uid: string): Promise<void> {
    const seen = () => this.lease?.metadata?.ownerReferences?.[0]?.uid === uid;
    if (!seen()) await new Promise<void>((resolve) => this.#waiting.push({ seen, resolve }));
  }

  connect(connected: boolean): void {
    this.online = connected;
    this.bus.notify("hub/connection", { connected });
  }

  /** Resolves once that was asked `times` times in all. */
  async askedFor(topic: string, times: number): Promise<void> {
    const seen = () => this.count(topic) >= times;
    if (!seen()) await new Promise<void>((resolve) => this.#waiting.push({ seen, resolve }));
    await this.clock.asleep();
  }

  /** Resolves once the cluster's node is like that; asked after each message. */
  async told(like: (node: Node) => boolean): Promise<void> {
    const seen = () => this.node !== undefined && like(this.node);
    if (!seen()) await new Promise<void>((resolve) => this.#waiting.push({ seen, resolve }));
  }

  count(topic: string): number {
    return this.asked.filter((asked) => asked === topic).length;
  }

  ready(): string | undefined {
    return this.node?.status?.conditions?.find(({ type }) => type === "Ready")?.status;
  }

  [Symbol.dispose](): void {
    rmSync(this.rootDirectory, { recursive: true, force: true });
  }

  #enter(topic: string): void {
    this.asked.push(topic);
    setImmediate(() => {
      for (const waiter of this.#waiting) if (waiter.seen()) waiter.resolve();
    });
    if (!this.online) throw new CodedError("the cloud is not connected", { code: "NotConnected" });
  }

  #stamp<T extends Node | Lease>(object: T): T {
    this.#version += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
  }
}

function refusal(reason: string, code: number): KubeApiError {
  return new KubeApiError({ status: "Failure", reason, code, message: reason });
}
