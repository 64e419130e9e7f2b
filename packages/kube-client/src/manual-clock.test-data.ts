import type { Clock } from "@kedge/runtime";

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** Time that stands still until a test moves it. */
export class ManualClock implements Clock {
  #now = Date.parse("2026-01-01T00:00:00Z");
  #monotonic = 0;
  #sleepers: Sleeper[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const wake = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const sleeper: Sleeper = { due: this.#monotonic + ms, wake };
      this.#sleepers.push(sleeper);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Who sleeps now, and how long yet, ms. */
  get sleeping(): number[] {
    return this.#sleepers.map(({ due }) => due - this.#monotonic).sort((a, b) => a - b);
  }

  /** Moves time on and lets everybody who was woken run. */
  async advance(ms: number): Promise<void> {
    this.#monotonic += ms;
    this.#now += ms;
    const due = this.#sleepers.filter((each) => each.due <= this.#monotonic);
    this.#sleepers = this.#sleepers.filter((each) => each.due > this.#monotonic);
    for (const { wake } of due) wake();
    await settle();
  }
}

/** Lets all that can run without time run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
}
