/** Thrown by {@link withDeadline} when the time is over. */
export class DeadlineError extends Error {}

/**
 * Runs `work` with a signal that aborts after `timeoutMs`, or with `outer`.
 *
 * @throws DeadlineError when late, `outer`'s reason when that aborted, else what `work` throws.
 */
export async function withDeadline<T>(
  timeoutMs: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const life = new AbortController();
  const late = new DeadlineError("context deadline exceeded");
  const timer = setTimeout(() => life.abort(late), timeoutMs);
  const stop = () => life.abort(outer.reason);
  outer.addEventListener("abort", stop, { once: true });
  try {
    return await work(life.signal);
  } catch (error) {
    throw life.signal.aborted ? life.signal.reason : error;
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", stop);
  }
}
