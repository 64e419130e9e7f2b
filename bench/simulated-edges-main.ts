/** The process of {@link SimulatedEdges}: what its edges cost is not cloudcore's. */
import { setTimeout as delay } from "node:timers/promises";
import type { Pod } from "@kedge/kube";
import { silentLogger, toError } from "@kedge/runtime";
import { SimulatedEdge } from "./simulated-edge.ts";
import { MARK, type Note, nowMs, type Order, type PodSeen } from "./simulated-edges-orders.ts";

const JOINS_AT_ONCE = 16;
const CONNECT_TRIES_MAX = 10;
const TELL_MS = 20;

const edges: SimulatedEdge[] = [];
const seen: PodSeen[] = [];

function tell(note: Note): void {
  process.send?.(note);
}

function onPod({ metadata }: Pod): void {
  const mark = metadata?.annotations?.[MARK];
  if (mark === undefined) return;
  if (seen.length === 0) setTimeout(() => tell({ note: "pods", seen: seen.splice(0) }), TELL_MS); // together: telling costs CPU, too
  seen.push({ pod: metadata?.name ?? "", mark, atMs: nowMs() });
}

async function connect(edge: SimulatedEdge): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await edge.connect();
    } catch (error) {
      if (tries === CONNECT_TRIES_MAX) throw error;
      await delay(500 * Math.random());
    }
  }
}

async function obey(order: Order): Promise<void> {
  if (order.order === "storm") {
    await Promise.all(edges.map((edge) => edge.cut()));
    await Promise.all(edges.map(connect));
    return;
  }
  const nodes = order.nodes[Symbol.iterator]();
  const joinSome = async () => {
    for (const node of nodes) {
      const edge = await SimulatedEdge.join(node, order.cloud, silentLogger, onPod);
      await connect(edge);
      await edge.register();
      edges.push(edge);
    }
  };
  await Promise.all(Array.from({ length: JOINS_AT_ONCE }, joinSome));
}

process.on("disconnect", () => process.exit());
process.on("message", (order: Order) => {
  obey(order).then(
    () => tell({ note: "done" }),
    (error: unknown) => tell({ note: "failed", reason: toError(error).message }),
  );
});
