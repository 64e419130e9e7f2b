/** The first batch; each that succeeds doubles the next. */
const FIRST_BATCH = 1;

/**
 * Calls `create` `count` times in growing batches and stops at the first batch with an error: a quota or an admission
 * error then costs one refused request, not hundreds.
 *
 * @returns the error that stopped it.
 */
export async function createSlowly(count: number, create: () => Promise<void>): Promise<unknown> {
  for (let [left, batch] = [count, FIRST_BATCH]; left > 0; left -= batch, batch *= 2) {
    const results = await Promise.allSettled(Array.from({ length: Math.min(batch, left) }, create));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) return failed.reason as unknown;
  }
  return undefined;
}
