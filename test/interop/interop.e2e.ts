/** Stock KubeEdge with ours and ours with stock, and one side replaced by the other: see README.md. */
import { describe } from "node:test";
import { describePair } from "./pair-tests.ts";
import { missingForInterop, PAIRS } from "./pairs.ts";
import { describeSwap } from "./swap-tests.ts";

// At once, since they mostly wait: each for its own cluster and node.
describe("interop", { concurrency: PAIRS.length + 1, skip: missingForInterop() }, () => {
  for (const pair of PAIRS) describePair(pair);
  describeSwap();
});
