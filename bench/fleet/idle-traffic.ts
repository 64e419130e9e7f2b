import { setTimeout as delay } from "node:timers/promises";
import { DEPLOYMENTS } from "@kedge/kube";
import { deployment, NAMESPACE, type TestBed } from "../../test/e2e/test-bed.ts";
import { waitForObject } from "../../test/e2e/wait-for-object.ts";
import { percentile } from "../report.ts";
import { trafficTo } from "../traffic.ts";
import type { FleetReport } from "./fleet.ts";

const PODS_COUNT = 20;
const PODS_MS = 120_000;
/** After its pods have started, an agent has things to report for a while. */
const SETTLE_MS = 60_000;
const MINUTES = 4;
const MINUTES_A_DAY = 24 * 60;

/** H9: what a node with pods says and hears while nothing happens; each minute on its own, so that one odd minute shows. */
export async function measureIdleTraffic({ cloud, node }: TestBed, report: FleetReport): Promise<void> {
  const key = { namespace: NAMESPACE, name: "many" };
  await cloud.kube.create(DEPLOYMENTS, deployment(key.name, PODS_COUNT, node.name), AbortSignal.timeout(PODS_MS));
  const available = (count: number | undefined) => count === PODS_COUNT;
  await waitForObject(cloud.kube, DEPLOYMENTS, key, (found) => available(found?.status?.availableReplicas), PODS_MS);
  await delay(SETTLE_MS);
  const minutes = [];
  for (let minute = 0; minute < MINUTES; minute += 1) {
    const before = trafficTo(cloud.ports.cloudHub);
    await delay(60_000); // the measurement is of time passing
    const after = trafficTo(cloud.ports.cloudHub);
    minutes.push({
      wire: after.wireBytes - before.wireBytes,
      payload: after.payloadBytes - before.payloadBytes,
    });
  }
  const perDay = (bytes: number) => (bytes * MINUTES_A_DAY) / 1e6;
  const wire = minutes.map((minute) => minute.wire);
  const mean = wire.reduce((sum, bytes) => sum + bytes, 0) / MINUTES;
  const what = `idle node with ${PODS_COUNT} pods`;
  report(`H9 ${what}, with TCP/IP headers, mean of ${MINUTES} minutes`, perDay(mean), "MB/day", 5);
  report(`H9 ${what}, with TCP/IP headers, median minute`, perDay(percentile(wire, 0.5)), "MB/day");
  report(
    `H9 ${what}, TLS payload, median minute`,
    perDay(
      percentile(
        minutes.map(({ payload }) => payload),
        0.5,
      ),
    ),
    "MB/day",
  );
}
