import type { Clock, Logger } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";
import { fixFor } from "./explain-failure.ts";
import type { HubError } from "./hub-error.ts";

/** The same failure again is said again after this long, then after twice as long, and so on. */
const REPEAT_INITIAL_MS = 60_000;
const REPEAT_MAX_MS = 60 * 60_000;

interface FailureLogDeps {
  readonly logger: Logger;
  readonly bus: EdgeBus;
  readonly clock: Clock;
}

/** Says why there is no connection: once in full, then now and then how often it was so. */
export class FailureLog {
  readonly #deps: FailureLogDeps;
  #message = "";
  #times = 0;
  #saidTimes = 0;
  #sinceMs = 0;
  #repeatAtMs = 0;
  #repeatMs = REPEAT_INITIAL_MS;

  constructor(deps: FailureLogDeps) {
    this.#deps = deps;
  }

  /** @param retryMs when we try again. */
  tell(failure: HubError, retryMs: number): void {
    const { logger, bus, clock } = this.#deps;
    const { code, message, retryable } = failure;
    bus.notify("hub/failure", { code, message, fix: fixFor(failure), lasting: !retryable });
    const nowMs = clock.monotonic();
    if (message !== this.#message) {
      this.#message = message;
      this.#times = this.#saidTimes = 1;
      this.#sinceMs = nowMs;
      this.#repeatMs = REPEAT_INITIAL_MS;
      this.#repeatAtMs = nowMs + this.#repeatMs;
      const cause = failure.cause instanceof Error ? failure.cause.message : undefined;
      logger.error({ code, retryMs: Math.round(retryMs), cause }, message);
      return;
    }
    this.#times += 1;
    if (nowMs < this.#repeatAtMs) return;
    const facts = {
      code,
      times: this.#times - this.#saidTimes,
      sinceSeconds: Math.round((nowMs - this.#sinceMs) / 1000),
    };
    logger.error(facts, `still: ${message}`);
    this.#saidTimes = this.#times;
    this.#repeatMs = Math.min(REPEAT_MAX_MS, this.#repeatMs * 2);
    this.#repeatAtMs = nowMs + this.#repeatMs;
  }

  /** There is a connection: whatever fails next is a new story. */
  healed(): void {
    this.#message = "";
  }
}
