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

  /**
   * The inbox of the offered stream; an older stream of the node is over. A node that has sent less than we had of the
   * stream has been put back as it was before, and goes on with the same numbers for other messages: beyond what it sent,
   * and beyond the watermark, they are new. If the stream was elsewhere meanwhile, it may have happened there, and nobody
   * here can tell which numbers are whose: then all comes again.
   */
  of(node: string, { stream, sent, link, after }: ChannelOffer): Inbox {
    let inbox = this.#byNode.get(node);
    const isKnown = inbox?.stream === stream && (link === undefined || inbox.goesOnAfter(after));
    if (inbox === undefined || !isKnown) inbox = new Inbox(stream);
    else if (inbox.highest > sent) inbox = inbox.putBack();
    this.#byNode.delete(node);
    this.#byNode.set(node, inbox);
    const [oldest] = this.#byNode.keys();
    if (this.#byNode.size > INBOXES_MAX && oldest !== undefined) this.#byNode.delete(oldest);
    return inbox;
  }
}
