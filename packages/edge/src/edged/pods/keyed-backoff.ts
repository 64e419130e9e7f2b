import type { Clock } from "@kedge/runtime";

export const BACKOFF_INITIAL_MS = 10_000;
export const BACKOFF_MAX_MS = 300_000;
/** Who did not fail for this long starts anew. */
export const BACKOFF_RESET_MS = 600_000;
const KEYS_MAX = 10_000;

interface Entry {
  /** The last wait that was imposed. */
  waitMs: number;
  /** Monotonic. */
  failedAtMs: number;
  attempt: string;
}

/**
 * How long to hold back what failed: 10 s, 20 s, … 300 s. The first failure costs no wait. Time is monotonic, so that a
 * clock that jumps neither restarts a crashing container in a loop nor holds it back for ever.
 */
export class KeyedBackoff {
  readonly #clock: Clock;
  readonly #maxMs: number;
  readonly #entries = new Map<string, Entry>();

  /** @param maxMs no wait is longer, not even the first one. */
  constructor(clock: Clock, maxMs: number = BACKOFF_MAX_MS) {
    this.#clock = clock;
    this.#maxMs = maxMs;
  }

  /**
   * Notes a failure, once for each `attempt` (a container's id, say).
   *
   * @param ranMs how long it went well before.
   */
  failed(key: string, attempt: string, ranMs: number, initialMs: number = 0): void {
    const entry = this.#entries.get(key);
    if (entry?.attempt === attempt) return;
    const failedAtMs = this.#clock.monotonic();
    const fresh =
      entry === undefined ||
      ranMs >= BACKOFF_RESET_MS ||
      failedAtMs - entry.failedAtMs > BACKOFF_RESET_MS + BACKOFF_MAX_MS;
    const waitMs = fresh
      ? initialMs
      : entry.waitMs === 0
        ? Math.min(BACKOFF_INITIAL_MS, this.#maxMs)
        : Math.min(entry.waitMs * 2, this.#maxMs);
    this.#entries.delete(key);
    this.#entries.set(key, { waitMs, failedAtMs, attempt });
    if (this.#entries.size > KEYS_MAX)
      for (const oldest of this.#entries.keys()) return void this.#entries.delete(oldest);
  }

  /** The wait imposed, of which `remainingMs` are left; 0: go. */
  wait(key: string): { readonly waitMs: number; readonly remainingMs: number } {
    const entry = this.#entries.get(key);
    if (entry === undefined) return { waitMs: 0, remainingMs: 0 };
    const remainingMs = Math.max(0, entry.waitMs - (this.#clock.monotonic() - entry.failedAtMs));
    return { waitMs: entry.waitMs, remainingMs };
  }

  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }
}
