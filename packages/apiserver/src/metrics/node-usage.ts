import type { Clock, Logger } from "@kedge/runtime";
import { toError } from "@kedge/runtime";
import type { NodeConnector, NodeTarget } from "../node-proxy/node-connector.ts";
import { type NodeSamples, parseResourceMetrics } from "./parse-resource-metrics.ts";

/** Of a node that was looked at so recently, nothing newer is asked for. */
const FRESH_MS = 15_000;
/** Older looks are too long ago to make a rate of: that would be of another time. */
const BEFORE_MS_MAX = 5 * 60_000;
/** Between the two looks at a node of which nothing is known yet. */
const WINDOW_MS = 1_000;
const SCRAPE_MS_MAX = 10_000;
/** Of one node's answer. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Nodes that are remembered, and asked at once. */
const NODES_MAX = 1_000;
const AT_ONCE_MAX = 16;

/** Two looks at a node: what lies between them is what it uses. */
export interface NodeLooks {
  readonly before: NodeSamples;
  readonly now: NodeSamples;
  /** Of the second. */
  readonly atMs: number;
  readonly windowMs: number;
}

interface Look {
  readonly samples: NodeSamples;
  readonly takenAt: number;
}

/** Asks nodes what they use, as metrics-server does, but only when somebody wants to know. */
export class NodeUsages {
  readonly #nodes: NodeConnector;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #looks = new Map<string, { before: Look | undefined; now: Look }>();
  readonly #looking = new Map<string, Promise<void>>();

  constructor(nodes: NodeConnector, clock: Clock, logger: Logger) {
    this.#nodes = nodes;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** By node; without those that do not answer. */
  async of(targets: readonly NodeTarget[], signal: AbortSignal): Promise<ReadonlyMap<string, NodeLooks>> {
    const waiting = targets.slice(0, NODES_MAX);
    const work = async () => {
      for (let target = waiting.pop(); target !== undefined; target = waiting.pop()) await this.#refresh(target);
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
    signal.throwIfAborted();
    const found = new Map<string, NodeLooks>();
    for (const { node } of targets) {
      const looks = this.#looks.get(node);
      if (looks?.before === undefined || this.#age(looks.now) > 2 * FRESH_MS) continue;
      const windowMs = looks.now.takenAt - looks.before.takenAt;
      const atMs = looks.now.samples.node?.atMs ?? this.#clock.now();
      found.set(node, { before: looks.before.samples, now: looks.now.samples, atMs, windowMs });
    }
    return found;
  }

  #age({ takenAt }: Look): number {
    return this.#clock.monotonic() - takenAt;
  }

  /** Who asks while somebody else's question is under way waits for that. */
  #refresh(target: NodeTarget): Promise<void> {
    const under = this.#looking.get(target.node);
    if (under !== undefined) return under;
    const looking = this.#look(target)
      .catch((error: unknown) => {
        this.#logger.debug({ node: target.node, error: toError(error) }, "the node does not tell what it uses");
      })
      .finally(() => this.#looking.delete(target.node));
    this.#looking.set(target.node, looking);
    return looking;
  }

  async #look(target: NodeTarget): Promise<void> {
    const known = this.#looks.get(target.node);
    if (known?.before !== undefined && this.#age(known.now) <= FRESH_MS) return;
    const signal = AbortSignal.timeout(SCRAPE_MS_MAX);
    let before = known !== undefined && this.#age(known.now) <= BEFORE_MS_MAX ? known.now : undefined;
    if (before === undefined || this.#age(before) < WINDOW_MS) {
      before ??= await this.#scrape(target, signal);
      await this.#clock.sleep(WINDOW_MS, signal);
    }
    const now = await this.#scrape(target, signal);
    this.#looks.delete(target.node);
    this.#looks.set(target.node, { before, now });
    const [oldest] = this.#looks.keys();
    if (this.#looks.size > NODES_MAX && oldest !== undefined) this.#looks.delete(oldest);
  }

  async #scrape(target: NodeTarget, signal: AbortSignal): Promise<Look> {
    const answer = await this.#nodes.request(target, { method: "GET", path: "/metrics/resource" }, signal);
    let text = "";
    answer.setEncoding("utf8");
    for await (const part of answer as AsyncIterable<string>) {
      text += part;
      if (text.length > ANSWER_BYTES_MAX) throw new RangeError(`more than ${ANSWER_BYTES_MAX} bytes of metrics`);
    }
    if (answer.statusCode !== 200)
      throw new Error(`/metrics/resource answers ${answer.statusCode}: ${text.slice(0, 200)}`);
    return { samples: parseResourceMetrics(text, this.#clock.now()), takenAt: this.#clock.monotonic() };
  }
}
