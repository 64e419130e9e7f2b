import { systemClock } from "@kedge/runtime";
import { UserError } from "./user-error.ts";

const POLL_MS = 100;
/** Whoever waits longer wants to know for what. */
const TELL_MS = 5_000;

/**
 * Asks until there is an answer.
 *
 * @param ask `undefined`: not yet.
 * @param explain why not yet, in one clause: it becomes the error's end.
 * @param tell is given one line after some seconds: what we wait for, and why it is not so yet.
 * @throws UserError after `timeoutMs`, whatever `ask` throws, or the signal's reason.
 */
export async function waitUntil<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  explain: () => Promise<string> | string,
  timeoutMs: number,
  signal: AbortSignal,
  tell?: (line: string) => void,
): Promise<T> {
  const started = systemClock.monotonic();
  const deadline = started + timeoutMs;
  let told = tell === undefined;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (systemClock.monotonic() > deadline)
      throw new UserError(`${what} did not happen within ${timeoutMs / 1000} s: ${await explain()}`, what);
    if (!told && systemClock.monotonic() - started > TELL_MS) {
      told = true;
      tell?.(`    waiting for ${what}: ${await explain()}`);
    }
    await systemClock.sleep(POLL_MS, signal);
  }
}
