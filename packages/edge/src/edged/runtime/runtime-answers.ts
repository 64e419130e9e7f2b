import type { Logger } from "@kedge/runtime";

/** Says once that the container runtime is away, and once that it is back. */
export class RuntimeAnswers {
  readonly #endpoint: string;
  readonly #logger: Logger;
  #answers = true;

  constructor(endpoint: string, logger: Logger) {
    this.#endpoint = endpoint;
    this.#logger = logger;
  }

  /** @param cause why it does not answer; `undefined`: it does. */
  note(cause: string | undefined): void {
    const runtimeEndpoint = this.#endpoint;
    if (this.#answers === (cause === undefined)) return;
    this.#answers = cause === undefined;
    if (cause === undefined) this.#logger.info({ runtimeEndpoint }, "the container runtime answers again");
    else
      this.#logger.error(
        { runtimeEndpoint, cause },
        `the container runtime does not answer at ${runtimeEndpoint}: start containerd there, or set modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint; until then no pod can start`,
      );
  }
}
