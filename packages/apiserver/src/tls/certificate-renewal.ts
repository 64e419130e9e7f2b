import { type Clock, Component, isAbort, type Logger, toError } from "@kedge/runtime";

const CHECK_INTERVAL_MS = 12 * 3_600_000;

/** Looks twice a day whether a certificate ends soon, so that a server which runs for years never stands without. */
export class CertificateRenewal extends Component {
  readonly #loop: Promise<void>;

  /** @param renew makes new what ends soon, and nothing else. */
  constructor(renew: () => Promise<void>, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    super();
    this.#loop = this.#run(renew, clock, logger);
  }

  protected override async stop(): Promise<void> {
    await this.#loop;
  }

  async #run(renew: () => Promise<void>, clock: Clock, logger: Logger): Promise<void> {
    try {
      while (true) {
        await clock.sleep(CHECK_INTERVAL_MS, this.signal);
        await renew().catch((error: unknown) => {
          logger.error({ error: toError(error) }, "certificates not renewed, trying again in twelve hours");
        });
      }
    } catch (error) {
      if (!isAbort(error, this.signal)) throw error;
    }
  }
}
