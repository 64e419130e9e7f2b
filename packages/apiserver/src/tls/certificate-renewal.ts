import { Chore, type ChoreDeps } from "../chore.ts";

const CHECK_INTERVAL_MS = 12 * 3_600_000;

/** Looks twice a day whether a certificate ends soon, so that a server which runs for years never stands without. */
export class CertificateRenewal extends Chore {
  readonly #renew: () => Promise<void>;

  /** @param renew makes new what ends soon, and nothing else. */
  constructor(renew: () => Promise<void>, deps: ChoreDeps) {
    super(CHECK_INTERVAL_MS, "certificates not renewed, trying again in twelve hours", deps);
    this.#renew = renew;
  }

  protected override work(): Promise<void> {
    return this.#renew();
  }
}
