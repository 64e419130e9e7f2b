import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  bucketOf,
  type Digest,
  DIGEST_LIST_OBJECTS_MAX,
  digestOf,
  DIGEST_TYPES,
  differingBuckets,
  type DigestQuestion,
  digestQuestion,
  digestRoot,
  type HeldObject,
  OK,
  parseResource,
  readDigestAnswer,
} from "@kedge/protocol";
import { type Clock, Component, hasCode, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";

/** What the cloud pushes after a connect has time to arrive. */
const FIRST_MS = 10_000;
const EVERY_MS = 5 * 60_000;
/** Of each wait, so that nodes that came back together do not ask together. */
const JITTER = 0.3;
/** After a difference, soon enough to see whether it is gone; each time that it is not, twice as long. */
const AGAIN_MS = 30_000;
const ANSWER_TIMEOUT_MS = 30_000;

export interface DigestExchangeDeps {
  readonly db: DatabaseSync;
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Compares what this node holds with what a cloud of our own believes it to hold, after each connect and every few minutes:
 * what messages missed (a restored database, a lost record, an object that is gone) is found at a cost of bytes.
 */
export class DigestExchange extends Component {
  readonly #deps: DigestExchangeDeps;
  readonly #held: StatementSync;
  readonly #listening: Disposable;
  #link = new AbortController();
  #asking: Promise<void> = Promise.resolve();

  constructor(deps: DigestExchangeDeps) {
    super();
    this.#deps = deps;
    this.#held = deps.db.prepare(`
      SELECT key, json_extract(value, '$.metadata.uid') AS uid,
             json_extract(value, '$.metadata.resourceVersion') AS version
      FROM meta WHERE type IN (${DIGEST_TYPES.map(() => "?").join(", ")}) AND json_valid(value)`);
    this.#listening = deps.bus.listen("hub/connection", ({ connected, agreed }) => {
      this.#link.abort();
      if (!connected || !agreed) return;
      this.#link = new AbortController();
      const signal = AbortSignal.any([this.#link.signal, this.signal]);
      this.#asking = this.#asking.then(() => this.#keepAsking(signal));
    });
  }

  async #keepAsking(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    let waitMs = FIRST_MS;
    let differences = 0;
    while (!signal.aborted) {
      try {
        await clock.sleep(waitMs * (1 + JITTER * Math.random()), signal);
        differences = (await this.compare(signal)) === "same" ? 0 : differences + 1;
        waitMs = differences === 0 ? EVERY_MS : Math.min(EVERY_MS, AGAIN_MS * 2 ** (differences - 1));
      } catch (error) {
        if (signal.aborted) return;
        if (!hasCode(error, "NotConnected")) logger.warn({ error: toError(error) }, "digests not compared");
        waitMs = EVERY_MS;
      }
    }
  }

  /** One comparison. @returns whether both ends were in step; if not, the cloud has been told what to look at. */
  async compare(signal: AbortSignal): Promise<"same" | "different"> {
    const held = this.#read();
    const digest = digestOf(held);
    const answer = await this.#ask({ root: digestRoot(digest) }, signal);
    if (answer === OK) return "same";
    await this.#ask(listOf(held, digest, answer.buckets), signal);
    return "different";
  }

  async #ask(question: DigestQuestion, signal: AbortSignal) {
    const message = digestQuestion(question);
    return readDigestAnswer(
      await this.#deps.bus.request("hub/request", { message, timeoutMs: ANSWER_TIMEOUT_MS }, signal),
    );
  }

  #read(): HeldObject[] {
    const held: HeldObject[] = [];
    for (const row of this.#held.all(...DIGEST_TYPES)) {
      const path = parseResource(String(row["key"]));
      const { uid, version } = row;
      // What never passed an API server is not the cloud's: nothing to compare.
      if (path?.name === undefined || typeof uid !== "string" || typeof version !== "string") continue;
      const { type, namespace, name } = path;
      held.push({ type, ...(namespace !== undefined && { namespace }), name, uid, version });
    }
    return held;
  }

  protected override async stop(): Promise<void> {
    this.#listening[Symbol.dispose]();
    this.#link.abort();
    await this.#asking;
  }
}

function listOf(held: readonly HeldObject[], { buckets }: Digest, theirs: readonly string[]): DigestQuestion {
  const differing = differingBuckets(buckets, theirs);
  const listed = held.filter((object) => differing.includes(bucketOf(object)));
  const cut = listed.length > DIGEST_LIST_OBJECTS_MAX;
  return { buckets: differing, held: listed.slice(0, DIGEST_LIST_OBJECTS_MAX), ...(cut && { more: true }) };
}
