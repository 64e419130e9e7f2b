import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device } from "@kedge/api";
import { EventBusHarness } from "./eventbus-harness.ts";
import { TestMosquitto, TestMqttClient } from "./test-mosquitto.ts";

const TOPIC = "$hw/events/device/plant/boiler/twin/update";
const RESULTS = [`${TOPIC}/result`, `${TOPIC}/document`, `${TOPIC}/delta`];

function boiler(version: string, setpoint: string): Device {
  return {
    kind: "Device",
    metadata: { namespace: "plant", name: "boiler", uid: "u1", resourceVersion: version },
    spec: {
      nodeName: "edge-1",
      properties: [{ name: "setpoint", desired: { value: setpoint } }, { name: "temperature" }],
    },
  };
}

async function deviceGoesBothWays(harness: EventBusHarness, url: string): Promise<void> {
  await harness.startDeviceTwin();
  harness.bus.notify("hub/connection", { connected: true });
  assert.equal((await harness.nextSent()).route.resource, "membership/detail");
  await using device = await TestMqttClient.connect(url, RESULTS);

  const object = { operation: "insert", object: boiler("1", "60") } as const;
  await harness.bus.request("twin/object", object, AbortSignal.timeout(5_000));
  const delta = JSON.parse(await device.next(`${TOPIC}/delta`)) as { delta: object };
  assert.deepEqual(delta.delta, { setpoint: "60" });

  await device.publish(TOPIC, { event_id: "r1", twin: { temperature: { actual: { value: "21.5" } } } });
  const result = JSON.parse(await device.next(`${TOPIC}/result`)) as { event_id: string };
  assert.equal(result.event_id, "r1");
  const report = await harness.nextSent();
  assert.equal(report.route.resource, "device/plant/boiler/twin/edge_updated");
  const { twin } = report.content as { twin: Record<string, { actual: { value: string } }> };
  assert.equal(twin["temperature"]?.actual.value, "21.5");

  const change = { operation: "update", object: boiler("2", "65") } as const;
  await harness.bus.request("twin/object", change, AbortSignal.timeout(5_000));
  await device.next(`${TOPIC}/delta`); // of the report: 60 still stands
  const second = JSON.parse(await device.next(`${TOPIC}/delta`)) as { delta: object };
  assert.deepEqual(second.delta, { setpoint: "65" });
}

test("a device goes both ways through mosquitto", { skip: TestMosquitto.missing(), timeout: 30_000 }, async () => {
  await using broker = await TestMosquitto.start();
  await using harness = new EventBusHarness();
  const eventBus = await harness.startEventBus({ mqttServerExternal: broker.url });
  await eventBus.ready;
  await deviceGoesBothWays(harness, broker.url);
});

test("a device goes both ways through the internal broker", { timeout: 30_000 }, async () => {
  await using harness = new EventBusHarness();
  const eventBus = await harness.startEventBus({ mqttMode: 0, mqttServerInternal: "tcp://127.0.0.1:0" });
  await deviceGoesBothWays(harness, `tcp://127.0.0.1:${eventBus.internalPort}`);
});

test(
  "reports in great number arrive all, in order, and bad ones among them hurt nobody",
  { timeout: 60_000 },
  async () => {
    await using harness = new EventBusHarness();
    const eventBus = await harness.startEventBus({ mqttMode: 0, mqttServerInternal: "tcp://127.0.0.1:0" });
    await harness.startDeviceTwin();
    const object = { operation: "insert", object: boiler("1", "60") } as const;
    await harness.bus.request("twin/object", object, AbortSignal.timeout(5_000));
    await using device = await TestMqttClient.connect(`tcp://127.0.0.1:${eventBus.internalPort}`, [`${TOPIC}/result`]);
    const count = 1000;
    const isBad = (index: number) => index % 10 === 3;
    for (let index = 0; index < count; index += 1) {
      const request = { event_id: `${index}`, twin: { n: { actual: { value: `${index}` } } } };
      void device.publish(TOPIC, isBad(index) ? "{ not JSON" : request);
    }
    const good: string[] = [];
    let refused = 0;
    for (let index = 0; index < count; index += 1) {
      const { event_id, code } = JSON.parse(await device.next(`${TOPIC}/result`)) as {
        event_id: string;
        code?: number;
      };
      if (code === 400) refused += 1;
      else good.push(event_id);
    }
    assert.equal(refused, count / 10);
    const sent = Array.from({ length: count }, (_, index) => index).filter((index) => !isBad(index));
    assert.deepEqual(good, sent.map(String));
  },
);
