import type { LogReader } from "../storage/log-reader.ts";
import type { Change } from "../storage/stored-object.ts";

/** A watcher that lets more than this pile up reads the rest from the log later: slow ones cost disk reads, not memory. */
export const WATCH_QUEUE_CHANGES_MAX = 500;

/** One watch's place in the log. What is known goes out with {@link take}; {@link wait} says when there is more. */
export class Watcher implements Disposable {
  readonly #log: LogReader;
  readonly #prefix: string;
  readonly #onDispose: () => void;
  #queue: Change[] = [];
  /** All changes up to here were taken. */
  #taken: number;
  /** Between {@link #taken} and the queue lies something that only the log knows. */
  #behind: boolean;
  #disposed = false;
  #wake: (() => void) | undefined;

  constructor(log: LogReader, prefix: string, revision: number, onDispose: () => void) {
    this.#log = log;
    this.#prefix = prefix;
    this.#taken = revision;
    this.#behind = revision < log.revision;
    this.#onDispose = onDispose;
  }

  /** Everything up to this revision was taken: what a bookmark may promise. */
  get revision(): number {
    return this.#queue.length === 0 && !this.#behind ? this.#log.revision : this.#taken;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Takes note of a commit. For the hub. */
  offer(change: Change): void {
    if (this.#disposed || !change.stored.key.startsWith(this.#prefix)) return;
    if (!this.#behind) this.#queue.push(change);
    if (this.#queue.length > WATCH_QUEUE_CHANGES_MAX) {
      this.#queue = [];
      this.#behind = true;
    }
    this.#wake?.();
  }

  /**
   * The next changes, oldest first; empty: there is nothing new.
   *
   * @throws {StorageError} `RevisionCompacted`: too slow, the log has forgotten what comes next.
   */
  take(): Change[] {
    if (this.#behind) {
      const changes = this.#log.changesAfter(this.#taken, this.#prefix, WATCH_QUEUE_CHANGES_MAX);
      if (changes.length < WATCH_QUEUE_CHANGES_MAX) {
        this.#behind = false;
        this.#taken = this.#log.revision;
      } else this.#taken = changes.at(-1)?.stored.revision ?? this.#taken;
      return changes;
    }
    const changes = this.#queue;
    this.#queue = [];
    this.#taken = changes.at(-1)?.stored.revision ?? this.#taken;
    return changes;
  }

  /** Resolves once there is something to take, the watcher was disposed, `ms` have passed, or the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#queue.length > 0 || this.#behind || this.#disposed || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", resolve as () => void, { once: true });
    this.#wake = resolve;
    try {
      await promise;
    } finally {
      this.#wake = undefined;
      clearTimeout(timer);
      signal.removeEventListener("abort", resolve as () => void);
    }
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#queue = [];
    this.#onDispose();
    this.#wake?.();
  }
}
