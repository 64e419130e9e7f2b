import type { Clock } from "@kedge/runtime";

/** Goes on by what is slept, and calls `tick` after each sleep; after `ticks` of them it stands still. */
export function steppingClock(
  ticks: number,
  tick: () => Promise<void> = () => Promise.resolve(),
): Clock & { readonly done: Promise<void> } {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let now = 0;
  let left = ticks;
  return {
    done,
    now: () => now,
    monotonic: () => now,
    async sleep(ms, signal) {
      if (left === 0) {
        resolve();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      }
      left -= 1;
      now += ms;
      await tick();
    },
  };
}
