import { KubeApiError, type KubeObject, type ObjectKey } from "@kedge/kube";
import { formatResource, parseObjectResource, patchNodeStatus, patchPodStatus, readObjectResp } from "@kedge/protocol";
import { hasCode, type Logger, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import { requireObject } from "./answered-object.ts";
import type { CloudRequests } from "./cloud-requests.ts";
import type { MetaRepository } from "./meta-repository.ts";
import type { MetaStore } from "./meta-store.ts";
import { isOwnedByNode, isPodGone } from "./pod-gone.ts";

export type PatchedType = "pod" | "node";
const ROW_TYPES = { pod: "podpatch", node: "nodepatch" } as const;

/** Kept patches that wait for the cloud's answer at once: on a slow link one after the other would take too long. */
const RESENDS_MAX = 8;

/**
 * Sends status patches. The newest of an object that did not get through is kept in table `meta` and sent when the cloud
 * is back: each is made against the state that the cloud last confirmed, so the newest says all.
 */
export class PatchKeeper {
  readonly #repository: MetaRepository;
  readonly #store: MetaStore;
  readonly #commits: GroupCommit;
  readonly #cloud: CloudRequests;
  readonly #logger: Logger;
  readonly #tails = new Map<string, Promise<void>>();

  constructor(
    repository: MetaRepository,
    store: MetaStore,
    commits: GroupCommit,
    cloud: CloudRequests,
    logger: Logger,
  ) {
    this.#repository = repository;
    this.#store = store;
    this.#commits = commits;
    this.#cloud = cloud;
    this.#logger = logger;
  }

  /**
   * @throws `NotConnected`, `Timeout` (the patch is kept then), `KubeApiError` (it is not); `NotFound` also if another pod
   *   has the name. A pod that is gone is removed from the store.
   */
  patch(type: PatchedType, key: ObjectKey, patch: string, signal: AbortSignal): Promise<KubeObject> {
    const row = formatResource(ROW_TYPES[type], key);
    return this.#inTurn(row, () => this.#send(type, key, patch, signal));
  }

  /** Sends what is kept, the node's first. What fails again stays for the next time. */
  async resend(signal: AbortSignal): Promise<void> {
    for (const type of ["node", "pod"] as const) {
      const rows = this.#repository.keys(ROW_TYPES[type]);
      let connected = true;
      const worker = async () => {
        for (let row = rows.shift(); row !== undefined && connected && !signal.aborted; row = rows.shift())
          connected &&= await this.#resendRow(type, row, signal);
      };
      await Promise.all(Array.from({ length: RESENDS_MAX }, worker));
      if (!connected) return;
    }
  }

  /** @returns false if the cloud is away again. */
  async #resendRow(type: PatchedType, row: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#inTurn(row, async () => {
        // A newer one may have gone before us; then this row is gone, too, or holds the newer one.
        const patch = this.#repository.get(row);
        if (patch !== undefined) await this.#send(type, parseObjectResource(row).key, patch, signal);
      });
    } catch (error) {
      if (hasCode(error, "NotConnected")) return false;
      if (!signal.aborted) this.#logger.warn({ row, error: toError(error) }, "kept status patch not accepted");
    }
    return true;
  }

  /** Patches of one object go one after the other: a cloud may work on two at once, and an older one must not be last. */
  async #inTurn<T>(row: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#tails.get(row) ?? Promise.resolve()).then(work);
    const tail = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#tails.set(row, tail);
    void tail.then(() => {
      if (this.#tails.get(row) === tail) this.#tails.delete(row);
    });
    return turn;
  }

  async #send(type: PatchedType, key: ObjectKey, patch: string, signal: AbortSignal): Promise<KubeObject> {
    const row = formatResource(ROW_TYPES[type], key);
    const uid = uidIn(patch) ?? this.#store.get(type, key)?.metadata?.uid;
    try {
      const message = type === "pod" ? patchPodStatus(key, patch) : patchNodeStatus(key.name, patch);
      const reply = await this.#cloud.ask(message, signal);
      const object = requireObject(readObjectResp(reply.content), key);
      // A pod may have been removed while we asked. Of the node this is the newest that we know, whatever its uid.
      await this.#store.put(type, key, object, { update: type === "pod" });
      await this.#drop(row);
      return object;
    } catch (error) {
      if (isUnanswered(error)) await this.#keep(type, row, patch);
      else await this.#drop(row);
      if (type !== "pod" || !isPodGone(error, key)) throw error;
      await this.#removeGone(key, uid);
      throw podNotFound(error, key);
    }
  }

  /** The cloud may not know any more that we have this pod: whom its node's deletion reached first, say. */
  async #removeGone(key: ObjectKey, uid: string | undefined): Promise<void> {
    const stored = this.#store.get("pod", key);
    if (stored === undefined || uid === undefined || stored.metadata?.uid !== uid || isOwnedByNode(stored)) return;
    this.#logger.info({ ...key, uid }, "the API server has no such pod any more: it ends here, too");
    await this.#store.remove("pod", key, { uid, resourceVersion: undefined });
  }

  async #keep(type: PatchedType, row: string, patch: string): Promise<void> {
    if (this.#repository.get(row) === patch) return; // spare the disk
    await this.#commits.write(() => this.#repository.put({ key: row, type: ROW_TYPES[type], value: patch }));
  }

  async #drop(row: string): Promise<void> {
    if (this.#repository.get(row) === undefined) return;
    await this.#commits.write(() => this.#repository.remove(row));
  }
}

/** However the API server worded it. */
function podNotFound(error: unknown, { name }: ObjectKey): KubeApiError {
  const message = `this pod "${name}" is gone: ${toError(error).message}`;
  const details = { name, kind: "pods" };
  return new KubeApiError({ status: "Failure", reason: "NotFound", code: 404, message, details }, { cause: error });
}

function uidIn(patch: string): string | undefined {
  try {
    const { metadata } = JSON.parse(patch) as KubeObject;
    return typeof metadata?.uid === "string" ? metadata.uid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the API server has not judged this patch. */
function isUnanswered(error: unknown): boolean {
  if (error instanceof KubeApiError) return error.retryable && error.details.httpStatus !== 409;
  return hasCode(error, "NotConnected") || hasCode(error, "Timeout");
}
