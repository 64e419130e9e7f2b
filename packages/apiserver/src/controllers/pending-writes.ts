import { type KubeObject, keyOf } from "@kedge/kube";
import type { Informer } from "@kedge/kube-client";
import type { Clock } from "@kedge/runtime";

/** A write that the cache does not show after this long was undone by somebody in between: believe the cache. */
const WRITE_SHOWN_WITHIN_MS = 30_000;

interface PendingWrite {
  readonly key: string;
  readonly uid: string | undefined;
  readonly kind: "create" | "delete";
  readonly since: number;
}

/**
 * Writes of ours that our cache may not show yet. Deciding from a cache without them would create twice or delete two
 * where one was meant.
 */
export class PendingWrites<T extends KubeObject> {
  readonly #informer: Informer<T>;
  readonly #clock: Clock;
  readonly #byOwner = new Map<string, PendingWrite[]>();

  constructor(informer: Informer<T>, clock: Clock) {
    this.#informer = informer;
    this.#clock = clock;
  }

  created(owner: string, object: KubeObject): void {
    this.#note(owner, {
      key: keyOf(object),
      uid: object.metadata?.uid,
      kind: "create",
      since: this.#clock.monotonic(),
    });
  }

  deleted(owner: string, object: KubeObject): void {
    this.#note(owner, {
      key: keyOf(object),
      uid: object.metadata?.uid,
      kind: "delete",
      since: this.#clock.monotonic(),
    });
  }

  /** @returns after how many ms to look again, or undefined when the cache shows all that we wrote for this owner. */
  waitMs(owner: string): number | undefined {
    const now = this.#clock.monotonic();
    const open = (this.#byOwner.get(owner) ?? []).filter(
      (write) => now - write.since < WRITE_SHOWN_WITHIN_MS && !this.#shown(write),
    );
    const [oldest] = open;
    if (oldest === undefined) {
      this.#byOwner.delete(owner);
      return undefined;
    }
    this.#byOwner.set(owner, open);
    return oldest.since + WRITE_SHOWN_WITHIN_MS - now;
  }

  forget(owner: string): void {
    this.#byOwner.delete(owner);
  }

  #shown({ key, uid, kind }: PendingWrite): boolean {
    const cached = this.#informer.get(key);
    if (kind === "create") return cached?.metadata?.uid === uid;
    return cached?.metadata?.uid !== uid || cached?.metadata?.deletionTimestamp !== undefined;
  }

  #note(owner: string, write: PendingWrite): void {
    if (this.#shown(write)) return;
    const writes = this.#byOwner.get(owner);
    if (writes === undefined) this.#byOwner.set(owner, [write]);
    else writes.push(write);
  }
}
