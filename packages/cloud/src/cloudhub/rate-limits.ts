import { isIPv6 } from "node:net";
import type { Clock } from "@kedge/runtime";

/** Keys, such as addresses, of which we remember how much they asked; the longest silent one is forgotten. */
const RATE_LIMITED_KEYS_MAX = 10_000;

export interface RateLimitOptions {
  /** How many at once. */
  readonly burst: number;
  /** After which time one more is allowed. */
  readonly refillMs: number;
}

/** A token bucket for each of whoever asks. */
export class RateLimits {
  readonly #options: RateLimitOptions;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  constructor(options: RateLimitOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Counts one. @returns whether it is within the limit. */
  take(key: string): boolean {
    const { burst, refillMs } = this.#options;
    const now = this.#clock.monotonic();
    const before = this.#buckets.get(key) ?? { left: burst, at: now };
    const left = Math.min(burst, before.left + (now - before.at) / refillMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: left >= 1 ? left - 1 : left, at: now });
    if (this.#buckets.size > RATE_LIMITED_KEYS_MAX) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return left >= 1;
  }
}

/** What counts as one asker: an address, but of IPv6, where every host owns a whole network, its /64. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":");
  // What `::` stands for begins within the first 64 bits, or behind them.
  const filled = tail === undefined ? groups : [...groups, ...Array<string>(8).fill("0")];
  return filled.slice(0, 4).join(":");
}
