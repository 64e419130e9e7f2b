import type { ChannelOffer } from "@kedge/protocol";
import { Inbox } from "./inbox.ts";

/** Nodes whose watermark is remembered, connected or not; a small object each. */
const INBOXES_MAX = 20_000;

/**
 * The inbox of each node's stream, for as long as this process lives. What is forgotten comes again: every effect is such
 * that repeating it changes nothing.
 */
export class Inboxes {
  /** The node heard of longest ago comes first. */
  readonly #byNode = new Map<string, Inbox>();

  /** The inbox of the offered stream; an older stream of the node is over. */
  of(node: string, { stream }: Pick<ChannelOffer, "stream">): Inbox {
    const known = this.#byNode.get(node);
    const inbox = known?.stream === stream ? known : new Inbox(stream);
    this.#byNode.delete(node);
    this.#byNode.set(node, inbox);
    const [oldest] = this.#byNode.keys();
    if (this.#byNode.size > INBOXES_MAX && oldest !== undefined) this.#byNode.delete(oldest);
    return inbox;
  }
}
