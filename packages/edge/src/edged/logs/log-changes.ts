import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Where the kernel tells nothing, one looks so often. */
const POLL_MS = 250;

/** Tells when something happens in the directory of a log: it grows, or is rotated. */
export class LogChanges implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, () => {
        this.#changed = true;
        this.#wake?.();
      });
      this.#watcher.on("error", () => undefined);
    } catch {
      // As many watches as the kernel gives are in use.
    }
  }

  /** Resolves when something has happened since the last call, or after `maxMs`. @throws the signal's reason */
  async wait(maxMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#changed) {
      const over = new AbortController();
      const abort = () => over.abort();
      signal.addEventListener("abort", abort, { once: true });
      this.#wake = abort;
      const waitMs = this.#watcher === undefined ? POLL_MS : maxMs;
      await delay(waitMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
      signal.removeEventListener("abort", abort);
      this.#wake = undefined;
      signal.throwIfAborted();
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
