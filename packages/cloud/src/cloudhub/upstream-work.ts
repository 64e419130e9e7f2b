import type { Message } from "@kedge/protocol";
import { Backoff, type Clock, type Logger, type MessageBus, toError } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import { isAway, mayHeal } from "../may-heal.ts";
import type { HubMetrics } from "./hub-metrics.ts";
import type { NodeSession } from "./node-session.ts";
import { type Limited, OrderedWork } from "./ordered-work.ts";
import { upstreamLane } from "./upstream-lane.ts";

/** Messages of one node that are being worked on; beyond that we read no more from it. */
export const UPSTREAM_OUTSTANDING_MAX = 256;
/** A message that the API server fails on, for reasons of its own, is given up after so many tries: it would hold up all others. */
const FAILED_TRIES_MAX = 10;
const REPEAT_INITIAL_MS = 200;
const REPEAT_MAX_MS = 10_000;

export type UpstreamTopic = "edge/upstream" | "device/upstream" | "sync/digest";

interface UpstreamWorkDeps {
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: HubMetrics;
  /** @throws unless the session is the node's newest, wherever it is. Asked before something is done that has waited. */
  readonly confirm: (session: NodeSession) => Promise<void>;
}

/**
 * Hands over what nodes say to whoever does it, what is about one thing in order. What an edge of ours has numbered is
 * repeated here until it is done: the API server has it, or has refused it for good.
 */
export class UpstreamWork {
  readonly #deps: UpstreamWorkDeps;
  readonly #ordered = new OrderedWork();
  /** Parts that do not exist and were spoken to; there are four. */
  readonly #missing = new Set<string>();

  constructor(deps: UpstreamWorkDeps) {
    this.#deps = deps;
  }

  /** @returns what to wait for before the node's next message is read; `undefined`: nothing. */
  take(session: NodeSession, topic: UpstreamTopic, message: Message): Promise<void> | undefined {
    const work = {};
    if (session.isNumbered(message) && session.agreed?.receive(message, work) === false) {
      this.#deps.metrics.known();
      return undefined;
    }
    session.workBegins();
    // Devices' reports keep their order where they are gathered; in lanes, each would be a write of its own.
    const over =
      topic === "edge/upstream"
        ? this.#ordered.run(session.node, upstreamLane(session.node, message), (limited) =>
            this.#do(session, topic, message, work, limited),
          )
        : this.#do(session, topic, message, work, (run) => run());
    void over.then(() => session.workEnds());
    return session.workBelow(UPSTREAM_OUTSTANDING_MAX);
  }

  /**
   * A message that nobody works on: it is done.
   *
   * @param missing the part that would; told once, not for each message.
   */
  skip(session: NodeSession, message: Message, missing?: string): void {
    if (missing !== undefined && !this.#missing.has(missing)) {
      this.#missing.add(missing);
      const facts = { node: session.node, part: missing };
      this.#deps.logger.warn(facts, `messages for ${missing} are dropped: this version has no such part`);
    }
    if (!session.isNumbered(message)) return;
    const work = {};
    if (session.agreed?.receive(message, work) === true) session.agreed.done(message, work);
  }

  /** Never rejects. */
  async #do(
    session: NodeSession,
    topic: UpstreamTopic,
    message: Message,
    work: object,
    limited: Limited,
  ): Promise<void> {
    const { bus, clock, confirm } = this.#deps;
    const { node, signal } = session;
    const agreed = session.isNumbered(message) ? session.agreed : undefined;
    const numbered = agreed && { stream: agreed.stream, repeated: agreed.isRepeat(message) };
    const backoff = new Backoff({ initialMs: REPEAT_INITIAL_MS, maxMs: REPEAT_MAX_MS, jitter: 0.2 });
    while (!signal.aborted) {
      try {
        if (backoff.failures > 0) await confirm(session);
        if (bus.answers(topic)) await limited(() => bus.request(topic, { node, message, numbered }, signal));
        return agreed?.done(message, work);
      } catch (error) {
        if (signal.aborted) return;
        const tries = backoff.failures + 1;
        const repeats = agreed !== undefined && mayHeal(error) && (isAway(error) || tries < FAILED_TRIES_MAX);
        this.#log(session, message, error, { repeats, tries });
        if (!repeats) return agreed?.done(message, work);
        this.#deps.metrics.repeated();
        await clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  #log({ node }: NodeSession, { route }: Message, error: unknown, how: { repeats: boolean; tries: number }): void {
    const facts = {
      node,
      operation: route.operation,
      resource: route.resource,
      tries: how.tries,
      error: toError(error),
    };
    if (!how.repeats) this.#deps.logger.warn(facts, "a node's message could not be worked on; given up");
    else if (how.tries === 1) this.#deps.logger.warn(facts, "a node's message could not be worked on, trying again");
  }
}
