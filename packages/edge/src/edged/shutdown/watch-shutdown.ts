import { Backoff, type Clock, hasErrno, isAbort, type Logger, toError } from "@kedge/runtime";
import type { LogindConfig } from "./logind-config.ts";
import type { NodeShutdown } from "./node-shutdown.ts";

/** For machines without logind: what ends pods, and then the agent. */
const POWER_SIGNAL = "SIGPWR";
/** For the cloud to be told what became of node and pods. */
const LAST_WORDS_MS = 2_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/**
 * Learns that the machine goes down: from systemd's logind, or, where there is none, from SIGPWR, which a shutdown
 * script sends; the agent stops by itself once pods have ended then.
 *
 * Watches until `signal` aborts, and rejects with its reason then.
 */
export async function watchShutdown(
  shutdown: NodeShutdown,
  logind: LogindConfig,
  deps: { readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { clock, logger } = deps;
  const onPower = () => void endAndStop(shutdown, deps, signal);
  process.on(POWER_SIGNAL, onPower);
  try {
    const backoff = new Backoff({ initialMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
    for (let isTold = false; ;) {
      try {
        const { followLogind } = await import("./logind.ts"); // most nodes do not ask for it
        const listener = { onShutdown: () => shutdown.begin(signal), onCancelled: () => shutdown.cancel() };
        await followLogind(logind, shutdown.wholeMs, listener, deps, signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        const absent = hasErrno(error, "ENOENT", "ECONNREFUSED");
        const why = toError(error).message;
        if (!absent) logger.warn({ why }, "logind is not followed: a shutdown may not wait for pods");
        else if (!isTold) logger.info({ why }, "no logind here: send SIGPWR before the machine goes down");
        isTold = true;
      }
      await clock.sleep(backoff.next(), signal);
    }
  } finally {
    process.off(POWER_SIGNAL, onPower);
  }
}

async function endAndStop(
  shutdown: NodeShutdown,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  if (shutdown.isActive) return;
  try {
    await shutdown.begin(signal);
    await clock.sleep(LAST_WORDS_MS, signal);
    process.kill(process.pid, "SIGTERM"); // the usual way out
  } catch (error) {
    if (!signal.aborted) logger.error({ error: toError(error) }, "pods not ended before the node goes down");
  }
}
