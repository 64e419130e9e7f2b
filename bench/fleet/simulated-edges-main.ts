/** A process of {@link SimulatedEdges}: what its edges cost is not cloudcore's. */
import type { Pod } from "@kedge/kube";
import { silentLogger, toError } from "@kedge/runtime";
import { identities } from "./edge-identity.ts";
import { SimulatedEdge } from "./simulated-edge.ts";
import { MARK, type EdgesPlan, type Note, nowMs, type Order, type PodSeen } from "./simulated-edges-orders.ts";

/** Edges of one process that come for the first time at once. */
const COMING_AT_ONCE = 16;
/** For all to be connected, at first or again. */
const CONNECT_MS_MAX = 400_000;
const TELL_MS = 20;
const REASONS_TOLD_MAX = 3;
/** Of the loopback, from which edges connect to it, as from many sites: one site alone may not open thousands at once. */
const SITES = 200;

const edges: SimulatedEdge[] = [];
const seen: PodSeen[] = [];
let lost = 0;

function tell(note: Note): void {
  process.send?.(note);
}

function onPod({ metadata }: Pod): void {
  const mark = metadata?.annotations?.[MARK];
  if (mark === undefined) return;
  if (seen.length === 0) setTimeout(() => tell({ note: "pods", seen: seen.splice(0) }), TELL_MS); // together: telling costs CPU, too
  seen.push({ pod: metadata?.name ?? "", mark, atMs: nowMs() });
}

async function comeAll(plan: EdgesPlan, nodes: readonly string[]): Promise<void> {
  const identity = identities(plan.identity, plan.address);
  const signal = AbortSignal.timeout(CONNECT_MS_MAX);
  const server = `${plan.address}:${plan.cloudHubPort}`;
  const rest = nodes.values();
  const comeSome = async () => {
    for (const node of rest) {
      const site = `127.0.1.${1 + (edges.length % SITES)}`;
      const edge: SimulatedEdge = new SimulatedEdge({
        node,
        server,
        ...(plan.address.startsWith("127.") && { localAddress: site }),
        tls: await identity(node),
        protocol: plan.protocol,
        logger: silentLogger,
        onPod,
        onLost: (why) => {
          lost += 1;
          if (lost <= REASONS_TOLD_MAX) console.error(`kedge: ${node} lost its link: ${why}`);
          edge.connect(AbortSignal.timeout(CONNECT_MS_MAX)).catch(() => undefined); // it counts as not connected
        },
      });
      await edge.connect(signal);
      if (plan.register) await edge.register();
      edges.push(edge);
    }
  };
  await Promise.all(Array.from({ length: COMING_AT_ONCE }, comeSome));
}

async function storm(): Promise<void> {
  await Promise.all(edges.map((edge) => edge.cut()));
  const signal = AbortSignal.timeout(CONNECT_MS_MAX);
  await Promise.all(edges.map((edge) => edge.connect(signal)));
}

async function obey(order: Order): Promise<void> {
  if (order.order === "connect") await comeAll(order.plan, order.nodes);
  else if (order.order === "storm") await storm();
}

function count() {
  const connected = edges.filter((edge) => edge.connected).length;
  const counted = { connected, lost };
  lost = 0;
  return counted;
}

process.on("disconnect", () => process.exit());
process.on("message", (order: Order) => {
  obey(order).then(
    () => tell({ note: "done", ...count() }),
    (error: unknown) => tell({ note: "failed", reason: toError(error).message }),
  );
});
