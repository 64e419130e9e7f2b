import type { CriClient } from "@kedge/cri";
import { type Clock, Component, isAbort, type Logger, toError } from "@kedge/runtime";
import type { RuntimeFacts } from "./node-facts.ts";

export interface RuntimeHealthDeps {
  readonly cri: CriClient;
  readonly logger: Logger;
  readonly clock: Clock;
}

const CHECK_INTERVAL_MS = 5_000;
/** While it is not well we look more often: pods wait for it. */
const ILL_INTERVAL_MS = 500;
/** A runtime that is restarted is not down. */
const DOWN_AFTER_MS = 30_000;
const NOT_ASKED_YET = "container runtime status check may not have completed yet";
const DOWN = "container runtime is down";

/** Asks the container runtime how it is. */
export class RuntimeHealth extends Component {
  /** Called when {@link facts} tells something new. */
  onChange: () => void = () => {};
  readonly #deps: RuntimeHealthDeps;
  #loop: Promise<void> = Promise.resolve();
  #facts: RuntimeFacts = { version: "", errors: [NOT_ASKED_YET] };
  #answeredAtMs: number | undefined;

  private constructor(deps: RuntimeHealthDeps) {
    super();
    this.#deps = deps;
  }

  /** Resolves once it works in the background, whether the runtime is there or not. */
  static start(deps: RuntimeHealthDeps): RuntimeHealth {
    const health = new RuntimeHealth(deps);
    health.#loop = health.#run();
    return health;
  }

  /** As last heard. */
  facts(): RuntimeFacts {
    return this.#facts;
  }

  async #run(): Promise<void> {
    while (!this.signal.aborted) {
      try {
        const before = JSON.stringify(this.#facts);
        this.#facts = await this.#ask();
        if (JSON.stringify(this.#facts) !== before) this.onChange();
        await this.#deps.clock.sleep(this.#isIll() ? ILL_INTERVAL_MS : CHECK_INTERVAL_MS, this.signal);
      } catch (error) {
        if (isAbort(error, this.signal) || this.signal.aborted) return;
        throw error;
      }
    }
  }

  async #ask(): Promise<RuntimeFacts> {
    const { cri, clock, logger } = this.#deps;
    try {
      const status = await cri.runtime.status(this.signal);
      // A runtime that is replaced is restarted, so its version is asked for again when it had been away.
      const { version } = this.#facts.version === "" || this.#isIll() ? await this.#version() : this.#facts;
      this.#answeredAtMs = clock.monotonic();
      return { version, errors: runtimeErrors(status?.conditions ?? []) };
    } catch (error) {
      if (this.signal.aborted) throw error;
      const { version } = this.#facts;
      if (this.#answeredAtMs === undefined) return { version, errors: [NOT_ASKED_YET] };
      if (clock.monotonic() - this.#answeredAtMs < DOWN_AFTER_MS) return this.#facts;
      if (!this.#facts.errors.includes(DOWN)) logger.error({ error: toError(error) }, DOWN);
      return { version, errors: [DOWN] };
    }
  }

  #isIll(): boolean {
    return this.#facts.errors.length > 0;
  }

  async #version(): Promise<{ version: string }> {
    const { runtimeName, runtimeVersion } = await this.#deps.cri.runtime.version(this.signal);
    return { version: `${runtimeName}://${runtimeVersion.replace(/^v/, "")}` };
  }

  protected override async stop(): Promise<void> {
    await this.#loop;
  }
}

interface RuntimeCondition {
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

const NEEDED = [
  { type: "RuntimeReady", sentence: "container runtime not ready" },
  { type: "NetworkReady", sentence: "container runtime network not ready" },
];

/** Why pods cannot run, in kubelet's words; a condition that the runtime does not tell is not fulfilled. */
export function runtimeErrors(conditions: readonly RuntimeCondition[]): string[] {
  return NEEDED.flatMap(({ type, sentence }) => {
    const found = conditions.find((condition) => condition.type === type);
    if (found?.status === true) return [];
    if (found === undefined) return [`${sentence}: the runtime does not tell its condition ${type}`];
    return [`${sentence}: ${type}=false reason:${found.reason} message:${found.message}`];
  });
}
