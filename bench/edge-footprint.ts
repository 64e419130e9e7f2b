import { setTimeout as delay } from "node:timers/promises";
import { DEPLOYMENTS } from "@kedge/kube";
import { deployment, NAMESPACE, type TestBed } from "../test/e2e/test-bed.ts";
import { waitForObject } from "../test/e2e/wait-for-object.ts";
import { cpuSecondsOf, memoryOf } from "./footprint.ts";
import type { Report } from "./report.ts";

const PODS_COUNT = 20;

/** Memory and CPU of the agent, idle for `seconds`, without pods and with 20. */
export async function edgeFootprint(bed: TestBed, report: Report, seconds: number): Promise<void> {
  await measure(bed, report, "0 pods", seconds, { rss: 75, private: 25 });
  const signal = AbortSignal.timeout(120_000);
  await bed.cloud.kube.create(DEPLOYMENTS, deployment("many", PODS_COUNT, bed.node.name), signal);
  await waitForObject(
    bed.cloud.kube,
    DEPLOYMENTS,
    { namespace: NAMESPACE, name: "many" },
    (found) => found?.status?.availableReplicas === PODS_COUNT,
  );
  await measure(bed, report, `${PODS_COUNT} pods`, seconds, { rss: 85, private: 32 });
}

async function measure(
  bed: TestBed,
  report: Report,
  what: string,
  seconds: number,
  target: { rss: number; private: number },
): Promise<void> {
  const pid = bed.node.agentPid ?? 0;
  const cpuBefore = cpuSecondsOf(pid);
  await delay(seconds * 1000); // the measurement is of time passing
  const cpuPercent = (100 * (cpuSecondsOf(pid) - cpuBefore)) / seconds;
  const { rssMb, privateMb, pssMb } = memoryOf(pid);
  const figure = { bench: "edge-footprint", unit: "MB" } as const;
  report({ ...figure, metric: `RSS, ${what}`, value: rssMb, target: target.rss });
  report({ ...figure, metric: `private, ${what}`, value: privateMb, target: target.private });
  report({ ...figure, metric: `PSS, ${what}`, value: pssMb });
  report({ ...figure, metric: `CPU of a core, ${what}`, value: cpuPercent, unit: "%", target: 1 });
}
