import { compareResourceVersions, type KubeObject, type ObjectKey } from "@kedge/kube";
import { formatResource } from "@kedge/protocol";
import type { Logger } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { EdgeBus } from "../edge-messages.ts";
import type { MetaRepository } from "./meta-repository.ts";
import { type Incarnation, lateUpTo, planRemove, planStore } from "./plan-store.ts";
import { tokenRowBelongsTo } from "./token-row.ts";

function incarnationOf(object: KubeObject): Incarnation {
  const { uid, resourceVersion } = object.metadata ?? {};
  return { uid: uid === "" ? undefined : uid, resourceVersion: resourceVersion === "" ? undefined : resourceVersion };
}

/** Objects in, objects out. Every change is on disk before anybody hears of it. */
export class MetaStore {
  readonly #repository: MetaRepository;
  readonly #commits: GroupCommit;
  readonly #bus: EdgeBus;
  readonly #logger: Logger;

  constructor(repository: MetaRepository, commits: GroupCommit, bus: EdgeBus, logger: Logger) {
    this.#repository = repository;
    this.#commits = commits;
    this.#bus = bus;
    this.#logger = logger;
  }

  /** `undefined` also for a row that holds no object: an older agent stored errors as if they were objects. */
  get(type: string, key: ObjectKey): KubeObject | undefined {
    const row = formatResource(type, key);
    const value = this.#repository.get(row);
    return value === undefined ? undefined : this.#parse(row, value);
  }

  list(type: string): KubeObject[] {
    const objects: KubeObject[] = [];
    for (const { key, value } of this.#repository.list(type)) {
      const object = this.#parse(key, value);
      if (object !== undefined) objects.push(object);
    }
    return objects;
  }

  /**
   * Stores an object unless this state of it, or a later one, was here already.
   *
   * @param update only replace the same object (by UID): it may have been removed while we asked for it.
   * @returns whether the row changed, once that is on disk.
   */
  async put(type: string, key: ObjectKey, object: KubeObject, options: { update?: boolean } = {}): Promise<boolean> {
    const row = formatResource(type, key);
    const arrived = incarnationOf(object);
    const changed = await this.#commits.write(() => {
      const stored = this.#repository.incarnation(row);
      if (options.update === true && (stored === undefined || stored.uid !== arrived.uid)) return false;
      const buried = arrived.uid === undefined ? undefined : this.#repository.buriedVersion(arrived.uid);
      if (planStore(stored, arrived, buried) === "stale") return false;
      const resourceVersion = stored && lateUpTo(stored, arrived);
      if (resourceVersion !== undefined) this.#bury(row, { uid: stored?.uid, resourceVersion });
      this.#repository.put({ key: row, type, value: JSON.stringify(object) });
      return true;
    });
    if (changed) this.#notify(type, key);
    return changed;
  }

  /**
   * Removes what a deletion means, and what depended on it: a pod's pending status patch and its tokens.
   *
   * @returns whether there was such an object.
   */
  async remove(type: string, key: ObjectKey, order: Incarnation): Promise<boolean> {
    const row = formatResource(type, key);
    const removed = await this.#commits.write(() => {
      const stored = this.#repository.incarnation(row);
      if (planRemove(stored, order) === "other") {
        // A row that is no object has no incarnation; it goes too.
        if (stored === undefined && this.#repository.remove(row)) return true;
        if (order.uid !== undefined && order.resourceVersion !== undefined)
          this.#repository.bury(order.uid, order.resourceVersion);
        return false;
      }
      this.#bury(row, { uid: stored?.uid ?? order.uid, resourceVersion: later(stored, order) });
      this.#repository.remove(row);
      if (type === "pod") this.#removeDependents(key, stored?.uid);
      return true;
    });
    if (removed) this.#notify(type, key);
    return removed;
  }

  #removeDependents(pod: ObjectKey, uid: string | undefined): void {
    this.#repository.remove(formatResource("podpatch", pod));
    if (uid === undefined) return;
    for (const key of this.#repository.keys("serviceaccounttoken"))
      if (tokenRowBelongsTo(key, uid)) this.#repository.remove(key);
  }

  #bury(row: string, { uid, resourceVersion }: Incarnation): void {
    if (uid === undefined || resourceVersion === undefined) return;
    this.#repository.bury(uid, resourceVersion);
    this.#logger.debug({ row, uid, resourceVersion }, "object removed");
  }

  #notify(type: string, key: ObjectKey): void {
    if (type === "pod") this.#bus.notify("meta/podChanged", { key });
    else this.#bus.notify("meta/objectChanged", { type, key });
  }

  #parse(row: string, value: string): KubeObject | undefined {
    try {
      const object = JSON.parse(value) as KubeObject | null;
      if (typeof object?.metadata?.name === "string") return object;
    } catch {
      // told below
    }
    this.#logger.warn({ row }, "stored row holds no object; it is treated as absent");
    return undefined;
  }
}

function later(stored: Incarnation | undefined, order: Incarnation): string | undefined {
  return compareResourceVersions(stored?.resourceVersion, order.resourceVersion) >= 0
    ? stored?.resourceVersion
    : order.resourceVersion;
}
