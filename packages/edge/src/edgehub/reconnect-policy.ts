import { Backoff } from "@kedge/runtime";
import type { HubError } from "./hub-error.ts";

/** A link that lived this long was a good one: what ends it is a new story. */
const STABLE_LINK_MS = 10_000;
/** Links that end sooner are worth some patience, but they carry something each time. */
const SHORT_LINK_WAIT_MS_MAX = 5_000;
const INITIAL_MS = 500;
const MAX_MS = 30_000;
/** Share of each wait that is random, so that nodes do not come back together. */
const JITTER = 0.5;
/** Nobody listens: asking costs next to nothing, so ask often enough that nobody waits for us when the cloud is back. */
const REFUSED_MAX_MS = 2_000;
/** … but not for ever: after this long a closed port is asked as seldom as all else. */
const REFUSED_OFTEN_MS = 5 * 60_000;
/** What only somebody's doing can heal. */
const NEEDS_SOMEBODY_MS = 30_000;

/** How long to wait before the next try to connect. */
export class ReconnectPolicy {
  readonly #random: () => number;
  readonly #backoff: Backoff;
  readonly #refusedBackoff: Backoff;
  #downSinceMs: number | undefined;

  constructor(random: () => number = Math.random) {
    this.#random = random;
    const common = { initialMs: INITIAL_MS, jitter: JITTER, random };
    this.#backoff = new Backoff({ ...common, maxMs: MAX_MS });
    this.#refusedBackoff = new Backoff({ ...common, maxMs: REFUSED_MAX_MS });
  }

  /** A link ended after `livedMs`. Back at once, unless links do not hold. */
  afterLink(livedMs: number, nowMs: number): number {
    this.#downSinceMs = nowMs;
    if (livedMs < STABLE_LINK_MS) return Math.min(SHORT_LINK_WAIT_MS_MAX, this.#backoff.next());
    this.#backoff.reset();
    this.#refusedBackoff.reset();
    return 0;
  }

  /** A try failed. What the server says goes before all else, with some time on top so that not all obey at once. */
  afterFailure(error: HubError, nowMs: number): number {
    this.#downSinceMs ??= nowMs;
    const { details } = error;
    if (details.code === "ServerRefused" && details.retryAfterMs !== undefined)
      return details.retryAfterMs * (1 + JITTER * this.#random());
    if (!error.retryable) return NEEDS_SOMEBODY_MS;
    if (details.code === "ConnectionRefused" && nowMs - this.#downSinceMs < REFUSED_OFTEN_MS)
      return this.#refusedBackoff.next();
    return this.#backoff.next();
  }
}
