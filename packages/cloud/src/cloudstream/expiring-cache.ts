import type { Clock } from "@kedge/runtime";

/** Remembers answers for a while, and no more than so many of them: then the one that was kept longest goes. */
export class ExpiringCache<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly until: number }>();
  readonly #entriesMax: number;
  readonly #clock: Clock;

  constructor(entriesMax: number, clock: Clock) {
    this.#entriesMax = entriesMax;
    this.#clock = clock;
  }

  get(key: string): V | undefined {
    const found = this.#entries.get(key);
    if (found === undefined) return undefined;
    if (found.until > this.#clock.monotonic()) return found.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: V, keepMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: this.#clock.monotonic() + keepMs });
    if (this.#entries.size <= this.#entriesMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
