import { systemClock } from "@kedge/runtime";
import { UserError } from "./user-error.ts";

const POLL_MS = 100;

/**
 * Asks until there is an answer.
 *
 * @param ask `undefined`: not yet.
 * @param explain why not yet, in one clause: it becomes the error's end.
 * @throws UserError after `timeoutMs`, whatever `ask` throws, or the signal's reason.
 */
export async function waitUntil<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  explain: () => Promise<string> | string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<T> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (systemClock.monotonic() > deadline)
      throw new UserError(`${what} did not happen within ${timeoutMs / 1000} s: ${await explain()}`, what);
    await systemClock.sleep(POLL_MS, signal);
  }
}
