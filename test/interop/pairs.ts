import { TestKubernetes } from "@kedge/testing";
import { type CloudProgram, OUR_CLOUD } from "../e2e/test-cloud.ts";
import { type EdgeNodeOptions, type EdgeProgram, OUR_EDGE, TestEdgeNode } from "../e2e/test-edge-node.ts";
import { BOTH_ENDS_MS } from "./check.ts";
import { missingStockPrograms, STOCK_CLOUD, STOCK_CRDS, STOCK_EDGE } from "./stock-programs.ts";

export interface Pair {
  readonly name: "stock edge, our cloud" | "our edge, stock cloud" | "ours, both" | "stock, both";
  readonly edge: EdgeProgram;
  readonly cloud: CloudProgram;
  /** Default: ours. */
  readonly crds?: string;
}

export const PAIRS: readonly Pair[] = [
  { name: "stock edge, our cloud", edge: STOCK_EDGE, cloud: OUR_CLOUD },
  { name: "our edge, stock cloud", edge: OUR_EDGE, cloud: STOCK_CLOUD, crds: STOCK_CRDS },
  { name: "ours, both", edge: OUR_EDGE, cloud: OUR_CLOUD },
  // Whose defect something is shows here; it takes its time, so only who asks for it gets it.
  ...(process.env["KEDGE_INTEROP_STOCK"] === "1"
    ? [{ name: "stock, both", edge: STOCK_EDGE, cloud: STOCK_CLOUD, crds: STOCK_CRDS } as const]
    : []),
];

/** Why these tests cannot run here, or false. */
export const missingForInterop = (): string | false =>
  missingStockPrograms() || TestKubernetes.missing() || TestEdgeNode.missing();

/**
 * A stock edge waits for two heartbeats before it calls the cloud again, and looks at volumes and files once in a while:
 * with the defaults, half a minute and more than one. Nothing else depends on these.
 */
export const IMPATIENT: Pick<EdgeNodeOptions, "edgeHub" | "kubelet"> & { readonly readyWaitMs: number } = {
  readyWaitMs: BOTH_ENDS_MS,
  edgeHub: { heartbeat: 3 },
  kubelet: { syncFrequency: "5s", fileCheckFrequency: "1s" },
};
