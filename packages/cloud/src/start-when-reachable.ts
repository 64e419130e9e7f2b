import { Backoff, type Clock, type Logger, toError } from "@kedge/runtime";
import { isAway } from "./may-heal.ts";

const INITIAL_MS = 250;
const MAX_MS = 5_000;
/** While nothing changes, one line in this many tries: one a minute. */
const TRIES_A_LINE = 12;

/**
 * Starts something that needs the API server, as soon as that is there: after a power cut everything comes up at once, in
 * any order, and nobody should have to start us a second time.
 *
 * @throws what `start` throws for any other reason, or the signal's.
 */
export async function startWhenReachable<T>(
  start: () => Promise<T>,
  { clock, logger }: { clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<T> {
  const backoff = new Backoff({ initialMs: INITIAL_MS, maxMs: MAX_MS });
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!isAway(error)) throw error;
      if (backoff.failures % TRIES_A_LINE === 0)
        logger.warn(
          `${toError(error).message}; waiting for it. If this is the wrong address, correct kubeAPIConfig in cloudcore.yaml`,
        );
    }
    await clock.sleep(backoff.next(), signal);
  }
}
