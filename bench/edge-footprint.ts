import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Deployment, DEPLOYMENTS } from "@kedge/kube";
import { freePort, TestProcess } from "@kedge/testing";
import { deployment, NAMESPACE, TestBed } from "../test/e2e/test-bed.ts";
import type { StartCloud } from "../test/e2e/test-cloud.ts";
import { waitForObject } from "../test/e2e/wait-for-object.ts";
import { cpuSecondsOf, memoryOf } from "./footprint.ts";
import type { Report } from "./report.ts";
import { trafficByResource, trafficTo } from "./traffic.ts";

const PODS_COUNT = 20;
/** Only with the internal broker: it shows what a pod costs. */
const MANY_PODS_COUNT = 100;
const MANY_PODS_MS = 180_000;
const MOSQUITTO = "/usr/sbin/mosquitto";
/** 5 MB a day. */
const KB_PER_MINUTE = 3.47;

/** Memory, CPU and traffic of the agent, idle for `seconds`, without pods, with 20 and with 100; with either MQTT broker. */
export async function edgeFootprint(start: StartCloud, report: Report, seconds: number): Promise<void> {
  await using internal = await TestBed.start(start, "bench-edge-footprint");
  await measureBed(internal, report, "internal broker", seconds);
  await scale(internal, MANY_PODS_COUNT);
  await measure(internal, report, `${MANY_PODS_COUNT} pods, internal broker`, seconds, {});
  await internal[Symbol.asyncDispose]();
  if (!existsSync(MOSQUITTO)) return console.error(`kedge: no ${MOSQUITTO}: not measured with an external broker`);
  await using scope = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "kedge-bench-"));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  scope.use(TestProcess.start("mosquitto", MOSQUITTO, ["-p", String(port)], join(dir, "mosquitto.log")));
  const mqtt = { mode: 2, external: `tcp://127.0.0.1:${port}` } as const; // KubeEdge's default
  await measureBed(
    scope.use(await TestBed.start(start, "bench-edge-external", { mqtt })),
    report,
    "mosquitto",
    seconds,
  );
}

async function measureBed(bed: TestBed, report: Report, broker: string, seconds: number): Promise<void> {
  await measure(bed, report, `0 pods, ${broker}`, seconds, { rss: 75, private: 25 });
  const signal = AbortSignal.timeout(120_000);
  await bed.cloud.kube.create(DEPLOYMENTS, deployment("many", PODS_COUNT, bed.node.name), signal);
  await waitForObject(
    bed.cloud.kube,
    DEPLOYMENTS,
    { namespace: NAMESPACE, name: "many" },
    (found) => found?.status?.availableReplicas === PODS_COUNT,
  );
  await measure(bed, report, `${PODS_COUNT} pods, ${broker}`, seconds, {
    rss: 85,
    private: 32,
    kbPerMinute: KB_PER_MINUTE,
  });
}

async function scale({ cloud: { kube } }: TestBed, replicas: number): Promise<void> {
  const key = { namespace: NAMESPACE, name: "many" };
  await kube.patch(DEPLOYMENTS, key, { type: "merge", body: { spec: { replicas } } }, AbortSignal.timeout(30_000));
  const isThere = (found?: Deployment) => found?.status?.availableReplicas === replicas;
  await waitForObject(kube, DEPLOYMENTS, key, isThere, MANY_PODS_MS);
}

async function measure(
  bed: TestBed,
  report: Report,
  what: string,
  seconds: number,
  target: { rss?: number; private?: number; kbPerMinute?: number },
): Promise<void> {
  const pid = bed.node.agentPid ?? 0;
  const { cloudHub } = bed.cloud.ports;
  const cpuBefore = cpuSecondsOf(pid);
  const before = trafficTo(cloudHub);
  const resourcesBefore = await trafficByResource(bed.node.healthUrl);
  await delay(seconds * 1000); // the measurement is of time passing
  const after = trafficTo(cloudHub);
  const resourcesAfter = await trafficByResource(bed.node.healthUrl);
  const cpuPercent = (100 * (cpuSecondsOf(pid) - cpuBefore)) / seconds;
  const { rssMb, privateMb, pssMb } = memoryOf(pid);
  const kbPerMinute = (kind: "payloadBytes" | "wireBytes") => ((after[kind] - before[kind]) / 1000 / seconds) * 60;
  const figure = { bench: "edge-footprint", unit: "MB" } as const;
  report({ ...figure, metric: `RSS, ${what}`, value: rssMb, ...(target.rss !== undefined && { target: target.rss }) });
  report({
    ...figure,
    metric: `private, ${what}`,
    value: privateMb,
    ...(target.private !== undefined && { target: target.private }),
  });
  report({ ...figure, metric: `PSS, ${what}`, value: pssMb });
  report({ ...figure, metric: `CPU of a core, ${what}`, value: cpuPercent, unit: "%", target: 1 });
  const traffic = { ...figure, unit: "KB/min" } as const;
  const goal = target.kbPerMinute;
  report({ ...traffic, metric: `traffic, TLS payload, ${what}`, value: kbPerMinute("payloadBytes") });
  report({
    ...traffic,
    metric: `traffic, with headers, ${what}`,
    value: kbPerMinute("wireBytes"),
    ...(goal !== undefined && { target: goal }),
  });
  for (const [resource, bytes] of resourcesAfter) {
    const value = (((bytes - (resourcesBefore.get(resource) ?? 0)) / 1000) * 60) / seconds;
    if (value > 0) report({ ...traffic, metric: `traffic, of ${resource}, ${what}`, value });
  }
}
