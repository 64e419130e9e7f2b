import type { Lease, Node } from "@kedge/kube";
import { Backoff, type Clock, Component, hasCode, isAbort, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";

export interface NodeLeaseConfig {
  readonly nodeName: string;
  /** `nodeLeaseDurationSeconds`; renewed four times in that time. */
  readonly durationSeconds: number;
}

export interface NodeLeaseDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The node that owns the lease; undefined: not registered yet. */
  readonly node: () => Node | undefined;
  /** The lease was renewed after it had run out, or was removed: the cluster has taken the node for lost, or removed it. */
  readonly onRecovered: () => void;
}

const NAMESPACE = "kube-node-lease";
const RENEW_SHARE = 0.25;
const JITTER = 0.04;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 7_000;
const CONFLICTS_MAX = 5;
const REQUEST_TIMEOUT_MS = 10_000;

/** Says again and again that the node lives. While the cloud is away it only waits to be told that it is back (W-09). */
export class NodeLease extends Component {
  readonly #config: NodeLeaseConfig;
  readonly #deps: NodeLeaseDeps;
  readonly #wakeup = new WakeUp();
  readonly #backoff = new Backoff({ initialMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
  #listener: Disposable | undefined;
  #loop: Promise<void> = Promise.resolve();
  #connected = true;
  #lease: Lease | undefined;
  #renewedAtMs: number | undefined;

  private constructor(config: NodeLeaseConfig, deps: NodeLeaseDeps) {
    super();
    this.#config = config;
    this.#deps = deps;
  }

  /** Resolves at once; renewing goes on in the background. */
  static start(config: NodeLeaseConfig, deps: NodeLeaseDeps): NodeLease {
    const lease = new NodeLease(config, deps);
    lease.#listener = deps.bus.listen("hub/connection", ({ connected }) => {
      lease.#connected = connected;
      if (!connected) return;
      lease.#backoff.reset();
      lease.#wakeup.wake();
    });
    lease.#loop = lease.#run();
    return lease;
  }

  /** Renews now: its owner is another. */
  renewSoon(): void {
    this.#wakeup.wake();
  }

  async #run(): Promise<void> {
    const intervalMs = this.#config.durationSeconds * 1000 * RENEW_SHARE;
    while (!this.signal.aborted) {
      let waitMs = intervalMs * (1 + JITTER * (2 * Math.random() - 1));
      try {
        if (this.#connected && !(await this.#renew())) waitMs = Math.min(waitMs, this.#backoff.next());
        else this.#backoff.reset();
      } catch (error) {
        if (isAbort(error, this.signal)) return;
        waitMs = Math.min(waitMs, this.#backoff.next());
        if (hasCode(error, "NotConnected")) this.#deps.logger.debug("the node's lease waits for the cloud");
        else this.#deps.logger.warn({ error: toError(error) }, "the node's lease was not renewed");
      }
      try {
        await this.#wakeup.waitOr(waitMs, this.#deps.clock, this.signal);
      } catch {
        return; // stopped
      }
    }
  }

  /** @returns false when there is no node yet that could own a lease. */
  async #renew(): Promise<boolean> {
    const node = this.#deps.node();
    if (node === undefined) return false;
    const { bus, clock } = this.#deps;
    let removed = false;
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        const known = this.#lease ?? (await bus.request("meta/getLease", this.#key(), this.#bounded()));
        const next = nextLease(known, node, this.#config, clock.now());
        this.#lease = await bus.request(
          known === undefined ? "meta/createLease" : "meta/updateLease",
          next,
          this.#bounded(),
        );
        break;
      } catch (error) {
        removed ||= this.#lease !== undefined && hasCode(error, "NotFound");
        this.#lease = undefined; // read it again
        const raced = hasCode(error, "Conflict") || hasCode(error, "NotFound") || hasCode(error, "AlreadyExists");
        if (!raced || conflicts === CONFLICTS_MAX) throw error;
      }
    }
    const nowMs = clock.monotonic();
    const lost = this.#renewedAtMs !== undefined && nowMs - this.#renewedAtMs > this.#config.durationSeconds * 1000;
    this.#renewedAtMs = nowMs;
    if (lost || removed) this.#deps.onRecovered();
    return true;
  }

  #key() {
    return { namespace: NAMESPACE, name: this.#config.nodeName };
  }

  #bounded(): AbortSignal {
    return AbortSignal.any([this.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
  }

  protected override async stop(): Promise<void> {
    this.#listener?.[Symbol.dispose]();
    await this.#loop;
  }
}

/** The lease with our name and a new time in it. Only what must be sent is in it: this goes over the link all day long. */
export function nextLease(known: Lease | undefined, node: Node, config: NodeLeaseConfig, nowMs: number): Lease {
  const { uid, name = config.nodeName } = node.metadata ?? {};
  const { resourceVersion, uid: leaseUid } = known?.metadata ?? {};
  const { acquireTime, leaseTransitions } = known?.spec ?? {};
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name: config.nodeName,
      namespace: NAMESPACE,
      ...(leaseUid !== undefined && { uid: leaseUid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(uid !== undefined && { ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid }] }),
    },
    spec: {
      holderIdentity: config.nodeName,
      leaseDurationSeconds: config.durationSeconds,
      renewTime: new Date(nowMs).toISOString().replace("Z", "000Z"),
      ...(acquireTime !== undefined && { acquireTime }),
      ...(leaseTransitions !== undefined && { leaseTransitions }),
    },
  };
}
