import { isRetryable, type Logger, toError } from "@kedge/runtime";
import type { WorkQueue } from "./work-queue.ts";

export interface ReconcileResult {
  /** Look again after this long even if nothing changes. */
  readonly requeueAfterMs?: number | undefined;
}

export type Reconcile<K> = (key: K, signal: AbortSignal) => Promise<ReconcileResult>;

/**
 * Level-based: `reconcile` learns which object, not what happened; running it twice changes nothing. Resolves once
 * `signal` aborts and the work at hand has ended.
 *
 * @param workers keys worked on at once; never the same key twice.
 */
export async function runController<K extends string | number>(
  queue: WorkQueue<K>,
  reconcile: Reconcile<K>,
  log: Logger,
  signal: AbortSignal,
  workers = 1,
): Promise<void> {
  await Promise.all(Array.from({ length: workers }, () => work(queue, reconcile, log, signal)));
}

async function work<K extends string | number>(
  queue: WorkQueue<K>,
  reconcile: Reconcile<K>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for await (const key of queue.take(signal)) {
    try {
      const { requeueAfterMs } = await reconcile(key, signal);
      queue.forget(key); // its backoff starts anew
      if (requeueAfterMs !== undefined) queue.addAfter(key, requeueAfterMs);
    } catch (error) {
      if (signal.aborted) return;
      const retryable = isRetryable(error);
      // Conflicts are how concurrent writers meet: not worth anybody's attention unless they last.
      const level = retryable && queue.failuresOf(key) < 3 ? "debug" : "error";
      log[level]({ key, error: toError(error) }, "reconcile failed");
      if (retryable) queue.addRateLimited(key); // an unknown error is: the world may heal
    } finally {
      queue.done(key);
    }
  }
}
