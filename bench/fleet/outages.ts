import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CONFIG_MAPS, PODS } from "@kedge/kube";
import { NAMESPACE, sleeper, type TestBed } from "../../test/e2e/test-bed.ts";
import { waitForNode } from "../../test/e2e/test-cloud.ts";
import { percentile } from "../report.ts";
import type { FleetReport } from "./fleet.ts";

/** Short enough that the node stays Ready. */
const SHORT_OUTAGE_MS = 8_000;
const SHORT_OUTAGES = 5;
/** Each lasts until Kubernetes thinks that the node is gone: about 50 s. */
const LONG_OUTAGES = 3;
const LOOK_EVERY_MS = 5;
const BACK_MS = 120_000;
const NAME = "outages";

interface Back {
  /** From the start of the program until CloudHub listens. */
  readonly startMs: number;
  /** From CloudHub listening until the change is in the pod's file. */
  readonly appliedMs: number;
  /** From CloudHub listening until Kubernetes says that the node is Ready. */
  readonly readyMs: number;
}

/** H8, H8b: cloudcore is killed, a ConfigMap changes, cloudcore comes back. */
export async function measureOutages(bed: TestBed, report: FleetReport): Promise<void> {
  const file = await mountedFile(bed);
  const short: Back[] = [];
  for (let outage = 0; outage < SHORT_OUTAGES; outage += 1)
    short.push(await suffer(bed, file, `short ${outage}`, () => delay(SHORT_OUTAGE_MS)));
  const long: Back[] = [];
  for (let outage = 0; outage < LONG_OUTAGES; outage += 1)
    long.push(
      await suffer(bed, file, `long ${outage}`, async () => {
        await waitForNode(bed.cloud.kube, bed.node.name, "Unknown", BACK_MS);
      }),
    );
  const applied = (outages: readonly Back[]) => outages.map(({ appliedMs }) => appliedMs / 1000);
  const ready = long.map(({ readyMs }) => readyMs / 1000);
  const start = [...short, ...long].map(({ startMs }) => startMs / 1000);
  const outage = `outage of ${SHORT_OUTAGE_MS / 1000} s`;
  report(`H8 change made while cut off → applied, ${outage}, median`, percentile(applied(short), 0.5), "s", 3);
  report(`H8 change made while cut off → applied, ${outage}, longest`, Math.max(...applied(short)), "s");
  report(
    "H8 change made while cut off → applied, outage until NotReady, median",
    percentile(applied(long), 0.5),
    "s",
    3,
  );
  report("H8 change made while cut off → applied, outage until NotReady, longest", Math.max(...applied(long)), "s");
  report("H8b node Ready again after the cloud returns, median", percentile(ready, 0.5), "s", 5);
  report("H8b node Ready again after the cloud returns, longest", Math.max(...ready), "s");
  report("H8 start of cloudcore → CloudHub listens (not counted above), median", percentile(start, 0.5), "s");
}

/** @returns the path of a file that shows the ConfigMap. */
async function mountedFile(bed: TestBed): Promise<string> {
  const { cloud, node } = bed;
  const signal = AbortSignal.timeout(BACK_MS);
  const metadata = { name: NAME, namespace: NAMESPACE };
  await cloud.kube.create(CONFIG_MAPS, { metadata, data: { value: "" } }, signal);
  const [main] = sleeper("", node.name).spec?.containers ?? [];
  const containers = [{ ...main, name: "main", volumeMounts: [{ name: "config", mountPath: "/config" }] }];
  const volumes = [{ name: "config", configMap: { name: NAME } }];
  await cloud.kube.create(PODS, sleeper(NAME, node.name, { containers, volumes }), signal);
  const { metadata: { uid = "" } = {} } = await bed.podReady(NAME);
  return join(node.kubelet, "pods", uid, "volumes/kubernetes.io~configmap/config/value");
}

async function suffer(bed: TestBed, file: string, value: string, meanwhile: () => Promise<void>): Promise<Back> {
  const { cloud, node } = bed;
  const signal = AbortSignal.timeout(2 * BACK_MS);
  await cloud.kill();
  const body = { data: { value } };
  await cloud.kube.patch(CONFIG_MAPS, { namespace: NAMESPACE, name: NAME }, { type: "merge", body }, signal);
  await meanwhile();
  const started = performance.now();
  const starting = cloud.start();
  await listens(cloud.ports.cloudHub, signal);
  const listening = performance.now();
  const since = () => performance.now() - listening;
  const [appliedMs, readyMs] = await Promise.all([
    becomes(file, value, signal).then(since),
    waitForNode(cloud.kube, node.name, "True", BACK_MS).then(since),
    starting,
  ]);
  return { startMs: listening - started, appliedMs, readyMs };
}

async function becomes(file: string, value: string, signal: AbortSignal): Promise<void> {
  while ((await readFile(file, "utf8").catch(() => undefined)) !== value)
    await delay(LOOK_EVERY_MS, undefined, { signal });
}

/** Nobody tells us when another program begins to listen. */
async function listens(port: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect", { signal });
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      await delay(LOOK_EVERY_MS, undefined, { signal });
    } finally {
      socket.destroy();
    }
  }
}
