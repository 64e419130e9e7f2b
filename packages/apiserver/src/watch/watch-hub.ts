import { resourcePrefixOf } from "../storage/object-key.ts";
import type { RevisionLog } from "../storage/revision-log.ts";
import type { Change } from "../storage/stored-object.ts";
import { Watcher } from "./watcher.ts";

/** All watches together; each costs little, but none is free. */
export const WATCHERS_MAX = 10_000;

/** Hands every commit to the watchers of its resources. */
export class WatchHub implements Disposable {
  readonly #log: RevisionLog;
  readonly #watchersMax: number;
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #subscription: Disposable;
  #count = 0;

  constructor(log: RevisionLog, watchersMax = WATCHERS_MAX) {
    this.#log = log;
    this.#watchersMax = watchersMax;
    this.#subscription = log.onCommit((changes) => this.#dispatch(changes));
  }

  get watcherCount(): number {
    return this.#count;
  }

  /** No further watch should begin. */
  get full(): boolean {
    return this.#count >= this.#watchersMax;
  }

  /**
   * Follows all keys that begin with `prefix`, from the change after `revision` on. Dispose the watcher to end it.
   *
   * @throws {StorageError} `RevisionCompacted`, `RevisionInFuture`
   */
  watch(prefix: string, revision: number): Watcher {
    this.#log.checkRevision(revision);
    const resource = resourcePrefixOf(prefix);
    const watchers = this.#watchers.get(resource) ?? new Set();
    this.#watchers.set(resource, watchers);
    const watcher: Watcher = new Watcher(this.#log, prefix, revision, () => {
      if (!watchers.delete(watcher)) return;
      this.#count -= 1;
      if (watchers.size === 0 && this.#watchers.get(resource) === watchers) this.#watchers.delete(resource);
    });
    watchers.add(watcher);
    this.#count += 1;
    return watcher;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher[Symbol.dispose]();
  }

  #dispatch(changes: readonly Change[]): void {
    for (const change of changes) {
      const watchers = this.#watchers.get(resourcePrefixOf(change.stored.key));
      if (watchers !== undefined) for (const watcher of watchers) watcher.offer(change);
    }
  }
}
