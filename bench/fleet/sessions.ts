import { setTimeout as delay } from "node:timers/promises";
import { NODES } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { cpuSecondsOf, memoryOf } from "../footprint.ts";
import { percentile } from "../report.ts";
import type { EventLoopProbe } from "./event-loop-probe.ts";
import { caOf, type FleetCloud } from "./fleet-cloud.ts";
import type { FleetReport } from "./fleet.ts";
import { PodUpdates } from "./pod-updates.ts";
import type { EdgeProtocol } from "./simulated-edge.ts";
import { SimulatedEdges } from "./simulated-edges.ts";
import { edgeNode } from "./simulated-objects.ts";

/** More than cores: while one makes certificates, others go on. */
const PROCESSES = 4;
const CREATES_AT_ONCE = 64;
const SETTLE_MS = 10_000;
/** Two keepalives of each. */
const HOLD_MS = 30_000;
/** Nodes with a pod, the same distance apart. */
const PODS_COUNT = 100;

/**
 * H1: holds `count` sessions at once. The nodes exist in the API server; they send keepalives, but renew no leases: that
 * would be thousands of writes a second, which an API server on the same two cores cannot take.
 *
 * @param probe of cloudcore, if it is a Node program that it observes.
 */
export async function measureSessions(
  cloud: FleetCloud,
  count: number,
  protocol: EdgeProtocol,
  probe: EventLoopProbe | undefined,
  report: FleetReport,
): Promise<void> {
  await using edges = new SimulatedEdges(PROCESSES);
  const { pid } = cloud;
  const eventLoop = async (when: string) => {
    if (pid === undefined || probe === undefined) return;
    const { p99, max } = await probe.read(pid);
    report(`H1 event loop late, ${when}, p99`, p99, "ms");
    report(`H1 event loop late, ${when}, longest`, max, "ms");
  };
  const nodes = Array.from({ length: count }, (_, index) => `edge-${index}`);
  await createNodes(cloud.kube, nodes);
  await delay(SETTLE_MS);
  const before = pid === undefined ? undefined : { ...memoryOf(pid), cpu: cpuSecondsOf(pid) };
  await eventLoop("before");

  const started = performance.now();
  const { address, ports } = cloud;
  const plan = { address, cloudHubPort: ports.cloudHub, identity: await caOf(cloud), protocol, register: false };
  await edges.connect(plan, nodes);
  report(`H1 ${count} nodes come → all connected`, (performance.now() - started) / 1000, "s");
  await eventLoop("while they come");
  if (pid !== undefined && before !== undefined)
    report("H1 CPU of a node that comes", ((cpuSecondsOf(pid) - before.cpu) / count) * 1000, "ms");
  await delay(SETTLE_MS);
  if (pid !== undefined && before !== undefined) {
    const { rssMb } = memoryOf(pid);
    report("H1 RSS, all connected", rssMb, "MB");
    report("H1 RSS a session", ((rssMb - before.rssMb) * 1000) / count, "KB");
  }

  const cpuBefore = pid === undefined ? 0 : cpuSecondsOf(pid);
  await edges.count();
  await delay(HOLD_MS); // the measurement is of time passing
  const held = await edges.count();
  if (pid !== undefined)
    report("H1 CPU of a core, all connected", ((cpuSecondsOf(pid) - cpuBefore) / HOLD_MS) * 100_000, "%");
  await eventLoop("all connected");
  report("H1 sessions held", held.lost === 0 ? held.connected : held.connected - held.lost, "1", count);

  const updates = new PodUpdates(cloud.kube, edges);
  const step = Math.ceil(count / PODS_COUNT);
  await updates.createPods(nodes.filter((_, index) => index % step === 0));
  const latencies = await updates.rounds(1, { atOnce: 1 });
  report("H1 pod change → edge, all connected, p50", percentile(latencies, 0.5), "ms");
  report("H1 pod change → edge, all connected, p99", percentile(latencies, 0.99), "ms");
  await eventLoop("with pods changing");

  const cut = performance.now();
  const back = await edges.storm();
  report("H1 all links cut → all back", (performance.now() - cut) / 1000, "s");
  report("H1 sessions after the storm", back.connected, "1", count);
  await eventLoop("in the storm");
  await updates.rounds(1, { atOnce: 16 }); // throws unless every node still gets its own
  await delay(SETTLE_MS);
  if (pid !== undefined) report("H1 RSS, after the storm", memoryOf(pid).rssMb, "MB");
}

async function createNodes(kube: KubeClient, names: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(180_000);
  const rest = names[Symbol.iterator]();
  const createSome = async () => {
    for (const name of rest) await kube.create(NODES, edgeNode(name), signal);
  };
  await Promise.all(Array.from({ length: CREATES_AT_ONCE }, createSome));
}
