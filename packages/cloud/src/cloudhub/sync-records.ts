import { CLUSTER_OBJECT_SYNCS, type ClusterObjectSync, OBJECT_SYNCS, type ObjectSync } from "@kedge/api";
import { KubeApiError, keyOf } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { abortable, type Clock, Component, hasCode, isAbort, type Logger, toError } from "@kedge/runtime";
import { compareVersions } from "./compare-versions.ts";
import {
  nodeOfRecord,
  NOT_ACKNOWLEDGED,
  readRecord,
  recordName,
  type SyncedObject,
  type SyncRecord,
} from "./sync-record.ts";

/** Acknowledgements of one object within this time become one write. */
const COALESCE_MS = 100;
/**
 * A record is not written more often than this: a busy object would cost more in records than in itself. Should we be
 * killed in between, its last state is sent once more, which changes nothing; when we stop, all are written first.
 */
const WRITE_AGAIN_MS = 30_000;
/** So long do we write what the API server does not show yet when we stop; the rest is sent once more by whoever is next. */
const LAST_WRITES_MS_MAX = 2_000;
/** Beyond this many, records that were written long enough ago are forgotten. */
const RECENT_WRITES_KEPT = 1_024;
const WRITES_MAX = 16;
const RETRY_INITIAL_MS = 500;
const RETRY_MAX_MS = 60_000;

interface SyncRecordsDeps {
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What we know and the API server does not yet show. */
interface Change {
  readonly node: string;
  readonly object: SyncedObject;
  /** `undefined`: the record is to go. */
  version: string | undefined;
  writing: boolean;
  failures: number;
  dueAt: number;
}

type Stored = ObjectSync | ClusterObjectSync;

/**
 * ObjectSync and ClusterObjectSync: what each node holds, so that what it missed is found. Reads are from memory; writes
 * are gathered, and repeated until they succeed (W22).
 */
export class SyncRecords extends Component {
  readonly #deps: SyncRecordsDeps;
  readonly #namespaced: Informer<ObjectSync>;
  readonly #cluster: Informer<ClusterObjectSync>;
  readonly #changes = new Map<string, Change>();
  /** Their keys by node: whoever asks for one node's records must not look at those of thousands. */
  readonly #changedOf = new Map<string, Set<string>>();
  /** Those of the changes that are still to be written, about in the order in which they are due. */
  readonly #pending = new Map<string, Change>();
  /** When records were written last, oldest first. */
  readonly #recentWrites = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerDue = Infinity;
  readonly #writes = new Set<Promise<void>>();

  private constructor(deps: SyncRecordsDeps) {
    super();
    this.#deps = deps;
    const options = { logger: deps.logger, clock: deps.clock, transform: keepLittle, indexes: { node: byNode } };
    this.#namespaced = new Informer<ObjectSync>(deps.kube, OBJECT_SYNCS, options);
    this.#cluster = new Informer<ClusterObjectSync>(deps.kube, CLUSTER_OBJECT_SYNCS, options);
    for (const informer of [this.#namespaced, this.#cluster])
      informer.onChange((old, stored) => this.#seen(keyOf(stored ?? old ?? {}), stored));
  }

  /** @throws the signal's reason if it aborts before all records are read. */
  static async start(deps: SyncRecordsDeps, signal: AbortSignal): Promise<SyncRecords> {
    await using scope = new AsyncDisposableStack();
    const records = scope.use(new SyncRecords(deps));
    await abortable(Promise.all([records.#namespaced.synced, records.#cluster.synced]), signal);
    scope.move();
    return records;
  }

  /** Writes that the API server has not taken yet. */
  get pendingWrites(): number {
    return this.#pending.size;
  }

  /** @returns the version that the node has acknowledged, `"0"` for none, `undefined` without a record. */
  acknowledgedVersion(node: string, object: SyncedObject): string | undefined {
    const key = recordKey(node, object);
    const change = this.#changes.get(key);
    if (change !== undefined) return change.version;
    const stored = this.#stored(key, object.namespace);
    return stored === undefined ? undefined : readRecord(stored).version;
  }

  recordsOf(node: string): SyncRecord[] {
    const records = new Map<string, SyncRecord>();
    for (const informer of [this.#namespaced, this.#cluster])
      for (const stored of informer.byIndex("node", node)) records.set(keyOf(stored), readRecord(stored));
    for (const key of this.#changedOf.get(node) ?? []) {
      const change = this.#changes.get(key);
      if (change === undefined) continue;
      if (change.version === undefined) records.delete(key);
      else records.set(key, { ...change.object, node, version: change.version });
    }
    return [...records.values()];
  }

  /** All nodes that have a record. */
  nodes(): Set<string> {
    const nodes = new Set<string>();
    for (const informer of [this.#namespaced, this.#cluster])
      for (const stored of informer.list()) nodes.add(nodeOfRecord(stored.metadata?.name ?? ""));
    return nodes;
  }

  /**
   * Makes sure that there is a record before the node hears of the object for the first time: should we die then,
   * whoever comes next knows that the node may hold it.
   */
  async ensure(node: string, object: SyncedObject): Promise<void> {
    if (this.acknowledgedVersion(node, object) !== undefined) return;
    await this.#create(node, object, this.signal);
    const key = recordKey(node, object);
    if ((this.#changes.get(key)?.version ?? undefined) === undefined) this.#change(node, object, NOT_ACKNOWLEDGED);
  }

  acknowledge(node: string, object: SyncedObject, version: string): void {
    const known = this.acknowledgedVersion(node, object);
    if (known !== undefined && (compareVersions(version, known) ?? 1) <= 0) return; // a late, older one
    this.#change(node, object, version);
  }

  /** The node has lost what it acknowledged: it must hear of it again. */
  reset(node: string, object: SyncedObject): void {
    this.#change(node, object, NOT_ACKNOWLEDGED);
  }

  /** The node has confirmed that the object is gone. */
  forget(node: string, object: SyncedObject): void {
    this.#change(node, object, undefined);
  }

  #change(node: string, object: SyncedObject, version: string | undefined): void {
    const key = recordKey(node, object);
    const now = this.#deps.clock.monotonic();
    const soon = now + COALESCE_MS;
    // What the node has given up, or lost, whoever comes after us must know.
    const dueAt = isProgress(version)
      ? Math.max(soon, (this.#recentWrites.get(key) ?? -Infinity) + WRITE_AGAIN_MS)
      : soon;
    let change = this.#changes.get(key);
    if (change === undefined) {
      change = { node, object, version, writing: false, failures: 0, dueAt };
      this.#changes.set(key, change);
      const keys = this.#changedOf.get(node) ?? new Set();
      this.#changedOf.set(node, keys.add(key));
    }
    change.version = version;
    if (this.#pending.has(key)) {
      if (change.failures === 0) change.dueAt = Math.min(change.dueAt, dueAt);
    } else {
      Object.assign(change, { failures: 0, dueAt });
      this.#pending.set(key, change);
    }
    this.#schedule(dueAt);
  }

  #stored(key: string, namespace: string | undefined): Stored | undefined {
    return namespace === undefined ? this.#cluster.get(key) : this.#namespaced.get(key);
  }

  /** The API server shows a record: what we knew ahead of it may be forgotten. */
  #seen(key: string, stored: Stored | undefined): void {
    const change = this.#changes.get(key);
    if (change === undefined || this.#pending.has(key) || change.writing) return;
    const caughtUp =
      stored === undefined || change.version === undefined
        ? stored === undefined
        : (compareVersions(readRecord(stored).version, change.version) ?? 0) >= 0;
    if (!caughtUp) return;
    this.#changes.delete(key);
    const keys = this.#changedOf.get(change.node);
    keys?.delete(key);
    if (keys?.size === 0) this.#changedOf.delete(change.node);
  }

  #schedule(dueAt: number): void {
    if (this.signal.aborted || dueAt >= this.#timerDue) return;
    clearTimeout(this.#timer);
    this.#timerDue = dueAt;
    this.#timer = setTimeout(() => this.#writeDue(), Math.max(0, dueAt - this.#deps.clock.monotonic()));
  }

  #writeDue(): void {
    this.#timerDue = Infinity;
    const now = this.#deps.clock.monotonic();
    let nextDue = Infinity;
    for (const [key, change] of this.#pending) {
      if (this.#writes.size >= WRITES_MAX) return; // whoever ends a write looks again
      if (change.writing) continue;
      if (change.dueAt > now) nextDue = Math.min(nextDue, change.dueAt);
      else this.#begin(key, change);
    }
    if (nextDue !== Infinity) this.#schedule(nextDue);
  }

  #begin(key: string, change: Change): void {
    const write = this.#write(key, change, this.signal);
    this.#writes.add(write);
    void write.finally(() => {
      this.#writes.delete(write);
      if (this.#pending.size > 0) this.#schedule(this.#deps.clock.monotonic());
    });
  }

  /** Never rejects. */
  async #write(key: string, change: Change, signal: AbortSignal): Promise<void> {
    const { version } = change;
    change.writing = true;
    this.#pending.delete(key);
    try {
      if (version === undefined) await this.#delete(change, signal);
      else await this.#setVersion(change, version, signal);
      change.failures = 0;
    } catch (error) {
      this.#pending.set(key, change);
      if (isAbort(error, signal)) return;
      const waitMs = Math.min(RETRY_MAX_MS, RETRY_INITIAL_MS * 2 ** change.failures);
      change.failures += 1;
      change.dueAt = this.#deps.clock.monotonic() + waitMs;
      this.#deps.logger.warn(
        { record: key, error: toError(error), waitMs },
        "cannot write a sync record, trying again",
      );
    } finally {
      change.writing = false;
      this.#remember(key);
      // The watch may have been faster than the answer.
      this.#seen(key, this.#stored(key, change.object.namespace));
    }
  }

  #remember(key: string): void {
    const now = this.#deps.clock.monotonic();
    this.#recentWrites.delete(key);
    this.#recentWrites.set(key, now);
    if (this.#recentWrites.size <= RECENT_WRITES_KEPT) return;
    for (const [oldest, at] of this.#recentWrites) {
      if (at + WRITE_AGAIN_MS > now) return;
      this.#recentWrites.delete(oldest);
    }
  }

  async #setVersion({ node, object }: Change, version: string, signal: AbortSignal): Promise<void> {
    const patch = { type: "merge", body: { status: { objectResourceVersion: version } } } as const;
    const key = { namespace: object.namespace, name: recordName(node, object.uid) };
    const type = typeOf(object);
    try {
      await this.#deps.kube.patch<Stored>(type, key, patch, signal, { subresource: "status" });
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
      if (await this.#create(node, object, signal))
        await this.#deps.kube.patch<Stored>(type, key, patch, signal, { subresource: "status" });
    }
  }

  async #delete({ node, object }: Change, signal: AbortSignal): Promise<void> {
    const key = { namespace: object.namespace, name: recordName(node, object.uid) };
    try {
      await this.#deps.kube.delete(typeOf(object), key, signal);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }

  /** @returns false if there cannot be a record, since its namespace is going. */
  async #create(node: string, object: SyncedObject, signal: AbortSignal): Promise<boolean> {
    const { namespace, uid, apiVersion, kind, name } = object;
    const record: Stored = {
      metadata: { name: recordName(node, uid), ...(namespace !== undefined && { namespace }) },
      spec: { objectAPIVersion: apiVersion, objectKind: kind, objectName: name },
    };
    try {
      await this.#deps.kube.create<Stored>(typeOf(object), record, signal);
      return true;
    } catch (error) {
      if (hasCode(error, "AlreadyExists")) return true; // our copy is behind (W21)
      // Its objects go with the namespace, and the node hears of each.
      if (isNamespaceGoing(error)) return false;
      throw error;
    }
  }

  /** Each is tried once. */
  async #writeAll(): Promise<void> {
    await Promise.all(this.#writes); // they have ended with our signal
    const signal = AbortSignal.timeout(LAST_WRITES_MS_MAX);
    const left = [...this.#pending][Symbol.iterator]();
    const writeSome = async () => {
      for (const [key, change] of left) if (!signal.aborted) await this.#write(key, change, signal);
    };
    await Promise.all(Array.from({ length: WRITES_MAX }, writeSome));
  }

  protected override async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writeAll();
    await Promise.all([this.#namespaced[Symbol.asyncDispose](), this.#cluster[Symbol.asyncDispose]()]);
  }
}

function isProgress(version: string | undefined): boolean {
  return version !== undefined && version !== NOT_ACKNOWLEDGED;
}

function isNamespaceGoing(error: unknown): boolean {
  if (!(error instanceof KubeApiError)) return false;
  if (error.details.httpStatus === 404) return error.status.details?.kind === "namespaces";
  return error.status.details?.causes?.some(({ reason }) => reason === "NamespaceTerminating") ?? false;
}

function typeOf({ namespace }: SyncedObject): typeof OBJECT_SYNCS | typeof CLUSTER_OBJECT_SYNCS {
  return namespace === undefined ? CLUSTER_OBJECT_SYNCS : OBJECT_SYNCS;
}

function recordKey(node: string, { namespace, uid }: SyncedObject): string {
  return namespace === undefined ? recordName(node, uid) : `${namespace}/${recordName(node, uid)}`;
}

function byNode(stored: Stored): string[] {
  return [nodeOfRecord(stored.metadata?.name ?? "")];
}

/** There is a record for each object on each node: what is not needed is not kept. */
function keepLittle<T extends Stored>(stored: T): T {
  const { name, namespace, uid, resourceVersion } = stored.metadata ?? {};
  return {
    metadata: { name, ...(namespace !== undefined && { namespace }), uid, resourceVersion },
    spec: stored.spec,
    status: stored.status,
  } as unknown as T;
}
