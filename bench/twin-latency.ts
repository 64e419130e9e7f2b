import { setTimeout as delay } from "node:timers/promises";
import { DEVICE_MODELS, DEVICE_STATUSES, DEVICES } from "@kedge/api";
import { connectAsync } from "mqtt";
import { NAMESPACE, type TestBed } from "../test/e2e/test-bed.ts";
import { waitForObject } from "../test/e2e/wait-for-object.ts";
import { percentile, type Report } from "./report.ts";

const ROUNDS = 200;
/** Between two reports: faster than 30 a second the agent's `messageQPS` would be measured, not its latency. */
const PAUSE_MS = 100;
const NAME = "meter";

/** From a device's MQTT publication to the API showing its value, one report at a time. */
export async function twinLatency(bed: TestBed, report: Report): Promise<void> {
  const { kube } = bed.cloud;
  const signal = AbortSignal.timeout(180_000);
  const metadata = { name: NAME, namespace: NAMESPACE };
  const properties = [{ name: "reading", type: "INT" as const, accessMode: "ReadOnly" as const }];
  await kube.create(DEVICE_MODELS, { metadata, spec: { protocol: "mqtt", properties } }, signal);
  await kube.create(
    DEVICES,
    {
      metadata,
      spec: {
        deviceModelRef: { name: NAME },
        nodeName: bed.node.name,
        protocol: { protocolName: "mqtt" },
        properties: [{ name: "reading", reportToCloud: true }],
      },
    },
    signal,
  );
  const mqtt = await connectAsync(bed.node.mqttUrl);
  const topic = `$hw/events/device/${NAMESPACE}/${NAME}/twin/update`;
  const publish = (value: string) => {
    const twin = { reading: { actual: { value }, metadata: { type: "int" } } };
    return mqtt.publishAsync(topic, JSON.stringify({ event_id: value, timestamp: Date.now(), twin }));
  };
  const shows = (value: string) =>
    waitForObject(kube, DEVICE_STATUSES, metadata, (status) => status?.status?.twins?.[0]?.reported?.value === value);
  const elapsed: number[] = [];
  try {
    await knows(bed, publish, shows);
    for (let round = 1; round <= ROUNDS; round += 1) {
      const shown = shows(String(round));
      const started = performance.now();
      await publish(String(round));
      await shown;
      elapsed.push(performance.now() - started);
      await delay(PAUSE_MS, undefined, { signal });
    }
  } finally {
    await mqtt.endAsync(true);
  }
  const figure = { bench: "twin-latency", unit: "ms" } as const;
  report({ ...figure, metric: "MQTT report → API, p50", value: percentile(elapsed, 0.5), target: 30 });
  report({ ...figure, metric: "MQTT report → API, p99", value: percentile(elapsed, 0.99), target: 150 });
}

/** Reports until the node knows the device. */
async function knows(
  bed: TestBed,
  publish: (value: string) => Promise<unknown>,
  shows: (value: string) => Promise<boolean>,
): Promise<void> {
  const known = shows("0");
  const timer = setInterval(() => void publish("0"), 200);
  try {
    await known;
  } catch (error) {
    throw new Error(`no report arrives; the edge says: ${bed.node.logTail()}`, { cause: error });
  } finally {
    clearInterval(timer);
  }
}
