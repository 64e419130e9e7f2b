import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DEVICE_MODELS, DEVICE_STATUSES, DEVICES } from "@kedge/api";
import { deferred } from "@kedge/runtime";
import { connectAsync, type MqttClient } from "mqtt";
import { CONTROL_PLANES, NAMESPACE, TestBed } from "./test-bed.ts";
import { waitForNode } from "./test-cloud.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-devices";
const DEVICE = "thermometer";
const topic = (suffix: string) => `$hw/events/device/${NAMESPACE}/${DEVICE}/twin/${suffix}`;

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`devices on the ${plane}`, { skip }, () => {
    let bed: TestBed;
    let mqtt: MqttClient;
    const signal = () => AbortSignal.timeout(60_000);
    const key = { namespace: NAMESPACE, name: DEVICE };
    const reports = (property: string, value: string) =>
      waitForObject(bed.cloud.kube, DEVICE_STATUSES, key, (status) =>
        status?.status?.twins?.some(
          ({ propertyName, reported }) => propertyName === property && reported?.value === value,
        ),
      );
    const report = (values: Record<string, string>) => {
      const twin = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { actual: { value } }]));
      return mqtt.publishAsync(topic("update"), JSON.stringify({ event_id: "", timestamp: Date.now(), twin }), {
        qos: 1,
      });
    };
    const desire = (value: string) =>
      bed.cloud.kube.patch(
        DEVICES,
        key,
        { type: "json", body: [{ op: "replace", path: "/spec/properties/1/desired/value", value }] },
        signal(),
      );
    /** Resolves with the next delta that asks for this target. */
    const delta = async (target: string): Promise<void> => {
      const seen = deferred();
      const listener = (at: string, payload: Buffer) => {
        const message = JSON.parse(payload.toString()) as { delta?: { target?: string } };
        if (at === topic("update/delta") && message.delta?.target === target) seen.resolve();
      };
      mqtt.on("message", listener);
      const timer = setTimeout(() => seen.reject(new Error(`no delta with target ${target}`)), 30_000);
      await seen.promise.finally(() => clearTimeout(timer));
      mqtt.off("message", listener);
    };

    before(async () => {
      bed = await TestBed.start(start, NODE);
      mqtt = await connectAsync(bed.node.mqttUrl, { reconnectPeriod: 200 });
      await mqtt.subscribeAsync([topic("update/delta"), topic("update/result")], { qos: 1 });
      const meta = { name: DEVICE, namespace: NAMESPACE };
      await bed.cloud.kube.create(
        DEVICE_MODELS,
        {
          metadata: meta,
          spec: {
            protocol: "mqtt",
            properties: [
              { name: "temperature", type: "FLOAT", accessMode: "ReadOnly" },
              { name: "target", type: "FLOAT", accessMode: "ReadWrite" },
            ],
          },
        },
        signal(),
      );
      const first = delta("21.5");
      await bed.cloud.kube.create(
        DEVICES,
        {
          metadata: meta,
          spec: {
            deviceModelRef: { name: DEVICE },
            nodeName: NODE,
            protocol: { protocolName: "mqtt" },
            properties: [
              { name: "temperature", reportToCloud: true },
              { name: "target", reportToCloud: true, desired: { value: "21.5" } },
            ],
          },
        },
        signal(),
      );
      await first;
    });
    after(async () => {
      await mqtt?.endAsync(true);
      await bed?.[Symbol.asyncDispose]();
    });

    test("devices W2: a device's very first report reaches DeviceStatus", async () => {
      await report({ temperature: "18.5", target: "21.5" });
      await reports("temperature", "18.5");
      await reports("target", "21.5");
    });

    test("a changed desired value reaches MQTT as a delta, and the answer comes back", async () => {
      const asked = delta("23");
      await desire("23");
      await asked;
      await report({ target: "23" });
      await reports("target", "23");
    });

    test("a report made while the cloud is away arrives when it is back, and so does a change made meanwhile", async () => {
      await bed.node.killAgent();
      await desire("24");
      await bed.cloud.kill();
      await bed.node.startAgent();
      const reported = deferred();
      mqtt.once("connect", () => reported.resolve());
      if (!mqtt.connected) await reported.promise;
      await report({ temperature: "19.75" });
      const asked = delta("24");
      await bed.cloud.start();
      await waitForNode(bed.cloud.kube, NODE, "True");
      await reports("temperature", "19.75");
      await asked;
    });

    test("the DeviceStatus goes with its Device", async () => {
      const status = await bed.cloud.kube.get(DEVICE_STATUSES, key, signal());
      assert.equal(status.metadata?.ownerReferences?.[0]?.kind, "Device");
      await bed.cloud.kube.delete(DEVICES, key, signal());
      await waitForObject(bed.cloud.kube, DEVICE_STATUSES, key, (found) => found === undefined);
    });
  });
