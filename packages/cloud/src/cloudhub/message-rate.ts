/** Messages of one node a second, in the long run. A stock edge limits itself to 30; ours sends as fast as we do the work. */
export const MESSAGES_PER_SECOND_MAX = 500;
/** Messages of one node at once, such as all that has piled up while it was away. */
export const MESSAGES_AT_ONCE_MAX = 2_000;

/** A message counts once more for each so many bytes: to read a large one keeps us busy for long. */
const BYTES_PER_MESSAGE = 16 * 1024;

/** Shorter pauses than this are made up for by a later one. */
const PAUSE_MS_MIN = 50;

/** How fast one node may speak: whoever is faster is read more slowly, and nothing is lost. */
export class MessageRate {
  /** When the allowance would be whole again, in monotonic ms. */
  #wholeAt = -Infinity;

  /** Counts a message of so many bytes. @returns for how many ms nothing more is to be read; 0: none. */
  take(nowMs: number, bytes = 0): number {
    const costMs = 1_000 / MESSAGES_PER_SECOND_MAX;
    this.#wholeAt = Math.max(this.#wholeAt, nowMs) + costMs * (1 + bytes / BYTES_PER_MESSAGE);
    const waitMs = this.#wholeAt - nowMs - MESSAGES_AT_ONCE_MAX * costMs;
    return waitMs < PAUSE_MS_MIN ? 0 : waitMs;
  }
}
