/**
 * Sessions of one node are numbered by the cloud; one with a lower number than we have seen is late, and must not act.
 *
 * But a cloud may count anew: the node was deleted from the cluster, or the cluster set up again. Then we would never get
 * in: so the second low number in a row is believed, if it is not lower than the first.
 */
export class EpochGuard {
  #highest = 0;
  #refused: number | undefined;

  /** @returns whether a session with this epoch may act. */
  admit(epoch: number): boolean {
    const countsAnew = this.#refused !== undefined && epoch >= this.#refused;
    if (epoch < this.#highest && !countsAnew) {
      this.#refused = epoch;
      return false;
    }
    this.#highest = epoch;
    this.#refused = undefined;
    return true;
  }
}
