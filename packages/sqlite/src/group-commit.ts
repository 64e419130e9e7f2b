import type { DatabaseSync } from "node:sqlite";
import { DatabaseError } from "./database-error.ts";
import { transact } from "./transact.ts";

/** Beyond this many waiting writes new ones are refused: their senders should slow down. */
export const GROUP_COMMIT_PENDING_MAX = 10_000;
/** A group that takes longer ends here, and the rest waits for the next turn of the event loop. */
const GROUP_DURATION_MS_MAX = 5;

export interface GroupCommitOptions {
  readonly pendingMax?: number;
  /** After each commit, before any of its writers hears of it; must not throw. */
  readonly onCommit?: () => void;
  /** After a group that could not be committed, before its writers hear of it; must not throw. */
  readonly onRollback?: () => void;
}

interface PendingWrite {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits all writes asked for in one turn of the event loop in one transaction, so that they share one fsync.
 * Writes run in the order in which they were asked for, and each sees those before it.
 */
export class GroupCommit implements Disposable {
  readonly #db: DatabaseSync;
  readonly #options: GroupCommitOptions;
  #pending: PendingWrite[] = [];
  #scheduled = false;
  #closed = false;

  constructor(db: DatabaseSync, options: GroupCommitOptions = {}) {
    this.#db = db;
    this.#options = options;
  }

  /**
   * Runs `work`, which must not wait for anything, within the next group.
   *
   * @returns what `work` returned, once it is on disk.
   * @throws what `work` threw, and then nothing of it is stored; `WriteQueueFull`; SQLite's error if the commit failed.
   */
  write<T>(work: () => T): Promise<T> {
    const { pendingMax = GROUP_COMMIT_PENDING_MAX } = this.#options;
    if (this.#closed) return Promise.reject(new DatabaseError("the database is closed", { code: "DatabaseClosed" }));
    if (this.#pending.length >= pendingMax)
      return Promise.reject(
        new DatabaseError(`${pendingMax} writes are waiting for the disk: try again later`, {
          code: "WriteQueueFull",
          pendingMax,
        }),
      );
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#pending.push({ work, resolve: resolve as (value: unknown) => void, reject });
    this.#schedule();
    return promise;
  }

  /** Commits what was asked for so far, now. */
  flush(): void {
    while (this.#pending.length > 0) this.#commitGroup();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.flush();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#commitGroup();
      if (this.#pending.length > 0) this.#schedule();
    });
  }

  #commitGroup(): void {
    if (this.#pending.length === 0) return;
    const settled: (() => void)[] = [];
    let taken = 0;
    try {
      transact(this.#db, () => {
        const deadline = performance.now() + GROUP_DURATION_MS_MAX;
        for (const write of this.#pending) {
          taken += 1;
          settled.push(this.#run(write));
          if (performance.now() > deadline) break;
        }
      });
    } catch (error) {
      const failed = this.#pending.splice(0, Math.max(taken, 1));
      this.#options.onRollback?.();
      for (const write of failed) write.reject(error);
      return;
    }
    this.#pending.splice(0, taken);
    this.#options.onCommit?.();
    for (const settle of settled) settle();
  }

  /** Runs one write in a savepoint, so that its failure takes nothing of the others along. */
  #run({ work, resolve, reject }: PendingWrite): () => void {
    this.#db.exec("SAVEPOINT one");
    try {
      const value = work();
      this.#db.exec("RELEASE one");
      return () => resolve(value);
    } catch (error) {
      if (!this.#db.isTransaction) throw error; // SQLite gave the whole group up
      this.#db.exec("ROLLBACK TO one; RELEASE one");
      return () => reject(error);
    }
  }
}
