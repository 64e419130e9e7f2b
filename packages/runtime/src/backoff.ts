export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Each failure multiplies the wait by this. Default 2. */
  readonly factor?: number;
  /** Share of the wait that is random: 0.2 gives 80 % … 100 % of it, so that many peers do not return at once. Default 0. */
  readonly jitter?: number;
  /** Returns [0, 1). */
  readonly random?: () => number;
}

/** Growing waits between tries. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = { factor: 2, jitter: 0, random: Math.random, ...options };
  }

  /** How many failures were counted since the last {@link reset}. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure. @returns how many ms to wait before the next try. */
  next(): number {
    const { initialMs, maxMs, factor, jitter, random } = this.#options;
    const full = Math.min(maxMs, initialMs * factor ** this.#failures);
    this.#failures += 1;
    return full * (1 - jitter * random());
  }

  reset(): void {
    this.#failures = 0;
  }
}
