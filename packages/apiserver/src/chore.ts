import { type Clock, Component, isAbort, type Logger, toError } from "@kedge/runtime";

export interface ChoreDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Work that comes around again and again. A turn that fails is logged; the next one tries again. */
export abstract class Chore extends Component {
  readonly #loop: Promise<void>;

  /** @param failure what the log says of a turn that fails. */
  constructor(intervalMs: number, failure: string, deps: ChoreDeps) {
    super();
    this.#loop = this.#run(intervalMs, failure, deps);
  }

  /** One turn; the first comes after one interval. */
  protected abstract work(): Promise<void>;

  protected override async stop(): Promise<void> {
    await this.#loop;
  }

  async #run(intervalMs: number, failure: string, { clock, logger }: ChoreDeps): Promise<void> {
    try {
      while (true) {
        await clock.sleep(intervalMs, this.signal);
        await this.work().catch((error: unknown) => logger.warn({ error: toError(error) }, failure));
      }
    } catch (error) {
      if (!isAbort(error, this.signal)) throw error;
    }
  }
}
