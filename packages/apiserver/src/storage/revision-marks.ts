/** Remembers which revision was the newest when, by a monotonic clock: a wrong wall clock does nothing. */
export class RevisionMarks {
  readonly #marks: { readonly atMs: number; readonly revision: number }[] = [];

  /** @param atMs never earlier than the last one. */
  note(atMs: number, revision: number): void {
    this.#marks.push({ atMs, revision });
  }

  /** The newest revision of that time or before, and forgets what was before; 0: not known. */
  takeUntil(atMs: number): number {
    let revision = 0;
    while (this.#marks[0] !== undefined && this.#marks[0].atMs <= atMs)
      revision = this.#marks.shift()?.revision ?? revision;
    return revision;
  }
}
