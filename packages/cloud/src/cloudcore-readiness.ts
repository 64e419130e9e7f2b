import type { KubeClient } from "@kedge/kube-client";
import { type Clock, toError } from "@kedge/runtime";

/** One thing that must be so for this process to serve nodes. */
export interface ReadyCheck {
  readonly name: "started" | "kube-api";
  readonly ok: boolean;
  readonly detail: string;
}

/** Probes come every few seconds from several places: the API server is asked only so often. */
const ASK_INTERVAL_MS = 2_000;
const ANSWER_MS = 3_000;

/** Whether this cloudcore can serve nodes: all its parts listen, and the API server answers them. */
export class CloudCoreReadiness {
  readonly #kube: KubeClient;
  readonly #clock: Clock;
  #started = false;
  #asked: { readonly atMs: number; readonly answer: Promise<ReadyCheck> } | undefined;

  constructor(kube: KubeClient, clock: Clock) {
    this.#kube = kube;
    this.#clock = clock;
  }

  /** All parts run. */
  started(): void {
    this.#started = true;
  }

  async checks(signal: AbortSignal): Promise<readonly ReadyCheck[]> {
    const detail = this.#started ? "all parts run" : "still starting: see the log for what it waits for";
    const started: ReadyCheck = { name: "started", ok: this.#started, detail };
    const nowMs = this.#clock.monotonic();
    if (this.#asked === undefined || nowMs - this.#asked.atMs >= ASK_INTERVAL_MS)
      this.#asked = { atMs: nowMs, answer: this.#askApi(signal) };
    return [started, await this.#asked.answer];
  }

  async #askApi(signal: AbortSignal): Promise<ReadyCheck> {
    const name = "kube-api";
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
      const { status } = await this.#kube.raw("GET", "/version", limit);
      if (status < 500) return { name, ok: true, detail: "the API server answers" };
      return { name, ok: false, detail: `the API server answers with HTTP status ${status}` };
    } catch (error) {
      return { name, ok: false, detail: `the API server does not answer: ${toError(error).message}` };
    }
  }
}
