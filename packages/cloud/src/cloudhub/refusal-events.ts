import { NODES } from "@kedge/kube";
import type { EventRecorder } from "@kedge/kube-client";
import type { Clock } from "@kedge/runtime";
import { isNodeName } from "./node-name.ts";
import { networkOf, RateLimits } from "./rate-limits.ts";

/** Events that strangers may cause, all together: so many at once, then one more in {@link STRANGERS_REFILL_MS}. */
const STRANGERS_EVENTS_BURST_MAX = 20;
const STRANGERS_REFILL_MS = 30_000;
/** Of these, one address may cause so many at once, then one more in {@link ADDRESS_REFILL_MS}. */
const ADDRESS_EVENTS_BURST_MAX = 5;
const ADDRESS_REFILL_MS = 60_000;
/** Events that nodes with a certificate of ours may cause; each alone is bounded by the recorder, too. */
const NODES_EVENTS_BURST_MAX = 200;
const NODES_REFILL_MS = 500;
const ALL = "all";

/**
 * Tells in the cluster why a node could not join or connect: `kubectl describe node`, or `kubectl get events` where there is
 * no such node. Whoever shows no certificate can write any name into a request: what strangers can cause is little, and
 * one address cannot use up the share of the others.
 */
export class RefusalEvents {
  readonly #recorder: EventRecorder;
  readonly #strangers: RateLimits;
  readonly #addresses: RateLimits;
  readonly #nodes: RateLimits;

  constructor(recorder: EventRecorder, clock: Clock) {
    this.#recorder = recorder;
    this.#strangers = new RateLimits({ burst: STRANGERS_EVENTS_BURST_MAX, refillMs: STRANGERS_REFILL_MS }, clock);
    this.#addresses = new RateLimits({ burst: ADDRESS_EVENTS_BURST_MAX, refillMs: ADDRESS_REFILL_MS }, clock);
    this.#nodes = new RateLimits({ burst: NODES_EVENTS_BURST_MAX, refillMs: NODES_REFILL_MS }, clock);
  }

  /** Somebody wanted a certificate for this node. @param message the same for the same cause, so that it is counted. */
  joinRefused(node: string, address: string, message: string): void {
    if (!isNodeName(node) || !this.#addresses.take(networkOf(address)) || !this.#strangers.take(ALL)) return;
    this.#record(node, "JoinRefused", message, address);
  }

  /** A node with a certificate of ours wanted a session. @param node that of the certificate. */
  sessionRefused(node: string, address: string, message: string): void {
    if (isNodeName(node) && this.#nodes.take(ALL)) this.#record(node, "SessionRefused", message, address);
  }

  #record(node: string, reason: string, message: string, address: string): void {
    // `kubectl describe node` looks for events by the name as UID: it is what kubelets write.
    this.#recorder.record(
      NODES,
      { metadata: { name: node, uid: node } },
      "Warning",
      reason,
      `${message} (from ${address})`,
    );
  }
}
