import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** By then a program has started, and what that took is garbage. */
const FIRST_MS = 15_000;
const INTERVAL_MS = 60_000;
/** Less growth than this, or than a tenth, is not worth the 20 ms that it takes. */
const GROWN_BYTES_MIN = 2 * 1024 * 1024;
/** All stands still meanwhile: a larger heap is left to V8, which does it in small steps when it needs room. */
const HEAP_BYTES_MAX = 24 * 1024 * 1024;

type CollectGarbage = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Returns the memory of busy times to the host. V8 collects garbage when it needs room; a program at rest needs none, and
 * would keep what its start, or twenty pods at once, have left behind.
 */
export function giveBackMemory(): void {
  setFlagsFromString("--expose-gc"); // new contexts have it from here on
  const collect = runInNewContext("gc") as CollectGarbage;
  let usedBytes = 0;
  const look = () => {
    const { used_heap_size: nowBytes } = getHeapStatistics();
    if (nowBytes > HEAP_BYTES_MAX || nowBytes < usedBytes + Math.max(GROWN_BYTES_MIN, usedBytes / 10)) return;
    setFlagsFromString("--stress-flush-code"); // what ran at the start alone need not stay compiled: 1.5 MB
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    setFlagsFromString("--no-stress-flush-code");
    usedBytes = getHeapStatistics().used_heap_size;
  };
  setTimeout(look, FIRST_MS).unref();
  setInterval(look, INTERVAL_MS).unref();
}
