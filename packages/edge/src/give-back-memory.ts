import { getHeapStatistics } from "node:v8";

/** By then the agent has started, and what that took is garbage. */
const FIRST_MS = 15_000;
const INTERVAL_MS = 60_000;
/** Less than this is not worth the 20 ms that it takes. */
const GROWN_BYTES_MIN = 2 * 1024 * 1024;

type CollectGarbage = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Returns the memory of busy times to the host. V8 collects garbage when it needs room; an agent at rest needs none, and
 * would keep what its start, or twenty pods at once, have left behind.
 *
 * Does nothing where Node was started without `--expose-gc`.
 */
export function giveBackMemory(): void {
  const collect = (globalThis as { gc?: CollectGarbage }).gc;
  if (collect === undefined) return;
  let usedBytes = 0;
  const look = () => {
    if (getHeapStatistics().used_heap_size < usedBytes + GROWN_BYTES_MIN) return;
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    usedBytes = getHeapStatistics().used_heap_size;
  };
  setTimeout(look, FIRST_MS).unref();
  setInterval(look, INTERVAL_MS).unref();
}
