import { setTimeout as delay } from "node:timers/promises";
import { cpuSecondsOf, memoryOf } from "../footprint.ts";
import { percentile } from "../report.ts";
import { type FleetCloud, tokenOf } from "./fleet-cloud.ts";
import type { FleetReport } from "./fleet.ts";
import { PodUpdates } from "./pod-updates.ts";
import type { EdgeProtocol } from "./simulated-edge.ts";
import { SimulatedEdges } from "./simulated-edges.ts";

const NODES_COUNT = 500;
const STORMS = 3;
/** Rounds in which all pods change as fast as the API server takes it. */
const FAST_ROUNDS = 20;
/** Before the first figure of CPU: 10,000 updates, after which V8 has compiled what is used often. */
const WARM_UP_ROUNDS = 20;
/** Longer than sync records wait to be written again: what an update costs includes them. */
const RECORDS_MS = 32_000;
const SETTLE_MS = 20_000;
/** With {@link SETTLE_MS}, longer than cloudcore waits to give back what busy times took. */
const IDLE_MS = 45_000;

/**
 * H2 and H3: memory and CPU of cloudcore, alone, with {@link NODES_COUNT} nodes that have joined and a pod each, while
 * pods change, and after all links were cut at once. The nodes do all that nodes at rest do.
 */
export async function measureFootprint(cloud: FleetCloud, protocol: EdgeProtocol, report: FleetReport): Promise<void> {
  await using edges = new SimulatedEdges();
  const figures = new CloudFigures(cloud, report);
  await delay(SETTLE_MS);
  const idle = figures.memory("no node", 90);

  const nodes = Array.from({ length: NODES_COUNT }, (_, index) => `edge-${index}`);
  const { address, ports } = cloud;
  const plan = { address, cloudHubPort: ports.cloudHub, identity: await tokenOf(cloud), protocol, register: true };
  await edges.connect(plan, nodes);
  const updates = new PodUpdates(cloud.kube, edges);
  await updates.createPods(nodes);
  await updates.rounds(WARM_UP_ROUNDS, { atOnce: 16 });
  await delay(SETTLE_MS);
  await figures.idleCpu();
  const full = figures.memory(`${NODES_COUNT} nodes and pods`, 150);
  report("H2 RSS a node", (full.rssMb - idle.rssMb) / NODES_COUNT, "MB", 0.12);

  const fast = await figures.cpuOf(FAST_ROUNDS * NODES_COUNT, async () => {
    const latencies = await updates.rounds(FAST_ROUNDS, { atOnce: 16 });
    await delay(RECORDS_MS);
    return latencies;
  });
  report("H3 CPU of a pod update, delivered and acknowledged", fast.cpuMs, "ms", 0.25);
  figures.latency("as fast as the API server takes them", fast.result);
  // Its CPU is not told: so little, spread over so long, is lost in what goes on anyway.
  figures.latency("one at a time", await updates.rounds(1, { atOnce: 1 }));

  for (let storm = 1; storm <= STORMS; storm += 1) {
    const started = performance.now();
    await edges.storm();
    report(`H2 all links cut → all back, storm ${storm}`, (performance.now() - started) / 1000, "s");
    await delay(RECORDS_MS);
  }
  await updates.rounds(1, { atOnce: 16 }); // throws unless every node still gets its own
  await delay(SETTLE_MS + IDLE_MS);
  figures.memory(`${NODES_COUNT} nodes, after ${STORMS} reconnect storms`, 150);
}

class CloudFigures {
  readonly #report: FleetReport;
  readonly #pid: number;
  /** CPU seconds a second, with all nodes there and nothing to tell them. */
  #idleShare = 0;

  constructor({ pid }: FleetCloud, report: FleetReport) {
    if (pid === undefined) throw new Error("memory and CPU can be measured only of a cloudcore that runs here");
    this.#pid = pid;
    this.#report = report;
  }

  memory(when: string, rssTarget: number) {
    const memory = memoryOf(this.#pid);
    this.#report(`H2 RSS, ${when}`, memory.rssMb, "MB", rssTarget);
    this.#report(`H2 private, ${when}`, memory.privateMb, "MB");
    return memory;
  }

  async idleCpu(): Promise<void> {
    const before = cpuSecondsOf(this.#pid);
    await delay(IDLE_MS); // the measurement is of time passing
    this.#idleShare = (cpuSecondsOf(this.#pid) - before) / (IDLE_MS / 1000);
    this.#report(`H2 CPU of a core, ${NODES_COUNT} nodes renewing their leases`, 100 * this.#idleShare, "%");
  }

  /** @returns what `act` costs beyond what goes on anyway, by the number of `things` that it does. */
  async cpuOf<T>(things: number, act: () => Promise<T>): Promise<{ cpuMs: number; result: T }> {
    const cpuBefore = cpuSecondsOf(this.#pid);
    const started = performance.now();
    const result = await act();
    const seconds = (performance.now() - started) / 1000;
    const cpuSeconds = cpuSecondsOf(this.#pid) - cpuBefore - this.#idleShare * seconds;
    return { cpuMs: (1000 * cpuSeconds) / things, result };
  }

  latency(how: string, latencies: readonly number[]): void {
    this.#report(`H3 patch → edge, ${how}, p50`, percentile(latencies, 0.5), "ms");
    this.#report(`H3 patch → edge, ${how}, p99`, percentile(latencies, 0.99), "ms");
  }
}
