import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device } from "@kedge/api";
import { payloadAt, TwinHarness } from "./devicetwin-vectors.test-data.ts";

const TOPIC = "$hw/events/device/plant/boiler";

function boiler(version: string, desired: Record<string, string | undefined>, uid = "u1"): Device {
  return {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "Device",
    metadata: { namespace: "plant", name: "boiler", uid, resourceVersion: version, labels: { description: "hot" } },
    spec: {
      nodeName: "edge-node-1",
      properties: Object.entries(desired).map(([name, value]) => ({
        name,
        // Go always writes `desired`; an empty one says nothing.
        desired: { value: value ?? "", ...(value !== undefined && { metadata: { type: "INT" } }) },
      })),
    },
  };
}

async function withTwin(work: (harness: TwinHarness) => Promise<void>): Promise<void> {
  await using harness = new TwinHarness();
  await harness.start();
  await work(harness);
}
const send = (harness: TwinHarness, object: Device, operation: "insert" | "update" | "delete" = "update") =>
  harness.bus.request("twin/object", { operation, object }, AbortSignal.timeout(5_000));
const deltas = (harness: TwinHarness) =>
  harness
    .take()
    .published.filter(({ topic }) => topic === `${TOPIC}/twin/update/delta`)
    .map(({ payload }) => (payload as { delta: object }).delta);

test("a Device object makes its device, and its desired values a delta", () =>
  withTwin(async (harness) => {
    await send(harness, boiler("1", { setpoint: "60", pressure: undefined }), "insert");
    const { published, toCloud } = harness.take();
    assert.deepEqual(
      published.map(({ topic }) => topic),
      ["$hw/events/node/edge-node-1/membership/updated", `${TOPIC}/twin/update/document`, `${TOPIC}/twin/update/delta`],
    );
    assert.deepEqual(payloadAt<{ added_devices: unknown }>(published, 0).added_devices, [
      { id: "plant/boiler", name: "boiler", description: "hot" },
    ]);
    assert.deepEqual(payloadAt<{ delta: unknown }>(published, 2).delta, { setpoint: "60" });
    assert.deepEqual(toCloud, []);
    const [row] = harness.tables().device_twin;
    assert.deepEqual(
      [row?.["name"], row?.["attr_type"], row?.["expected_version"]],
      ["setpoint", "int", '{"cloud":1,"edge":0}'],
    );
  }));

test("a changed desired value is a delta; the same object again, or an older one, is nothing", () =>
  withTwin(async (harness) => {
    await send(harness, boiler("9", { setpoint: "60" }), "insert");
    await send(harness, boiler("10", { setpoint: "70" }));
    assert.deepEqual(deltas(harness), [{ setpoint: "60" }, { setpoint: "70" }]);
    await send(harness, boiler("10", { setpoint: "70" }));
    await send(harness, boiler("9", { setpoint: "60" }));
    await send(harness, boiler("11", { setpoint: "70" }));
    assert.deepEqual(harness.take().published, []);
    assert.equal(harness.tables().device_twin[0]?.["expected"], "70");
  }));

test("a wish of a local client stays until the Device changes its own", () =>
  withTwin(async (harness) => {
    await send(harness, boiler("1", { setpoint: "60" }), "insert");
    await harness.mqtt(`${TOPIC}/twin/update`, { twin: { setpoint: { expected: { value: "33" } } } });
    await send(harness, boiler("2", { setpoint: "60" }));
    assert.equal(harness.tables().device_twin[0]?.["expected"], "33");
    await send(harness, boiler("3", { setpoint: "61" }));
    assert.equal(harness.tables().device_twin[0]?.["expected"], "61");
  }));

test("a desired value that is taken back is expected no more; a property that is gone has no twin", () =>
  withTwin(async (harness) => {
    await send(harness, boiler("1", { setpoint: "60", other: "1" }), "insert");
    harness.take();
    await send(harness, boiler("2", { setpoint: undefined }));
    const { published } = harness.take();
    assert.deepEqual(
      published.map(({ topic }) => topic),
      [`${TOPIC}/twin/update/document`],
    );
    const { twin } = payloadAt<{ twin: Record<string, { current: unknown }> }>(published, 0);
    assert.equal(twin["other"]?.current, null);
    assert.deepEqual(twin["setpoint"]?.current, { optional: true, metadata: { type: "int" } });
    assert.deepEqual(
      harness.tables().device_twin.map((row) => [row["name"], row["expected"]]),
      [["setpoint", ""]],
    );
  }));

test("a value that is not of the twin's type is refused and leaves the twin as it is", () =>
  withTwin(async (harness) => {
    await send(harness, boiler("1", { setpoint: "60" }), "insert");
    harness.take();
    await send(harness, boiler("2", { setpoint: "hot" }));
    assert.deepEqual(harness.take().published, []);
    assert.equal(harness.tables().device_twin[0]?.["expected"], "60");
  }));

test("a deletion removes the device; that of an earlier device of this name does not", () =>
  withTwin(async (harness) => {
    await send(harness, boiler("5", { setpoint: "60" }, "u2"), "insert");
    harness.take();
    await send(harness, boiler("9", {}, "u1"), "delete");
    assert.equal(harness.tables().device.length, 1);
    await send(harness, { metadata: { namespace: "plant", name: "boiler", uid: "u2" } }, "delete");
    assert.deepEqual(harness.tables(), { device: [], device_attr: [], device_twin: [] });
    const { published } = harness.take();
    assert.deepEqual(
      published.map(({ payload }) => (payload as { removed_devices: unknown }).removed_devices),
      [[{ id: "plant/boiler", name: "boiler" }]],
    );
  }));

test("a Device that is another node's now has left us; an older copy of it has not", () =>
  withTwin(async (harness) => {
    await send(harness, boiler("5", { setpoint: "60" }), "insert");
    const moved = (version: string) => ({ ...boiler(version, {}), spec: { nodeName: "elsewhere" } });
    await send(harness, moved("4"));
    assert.equal(harness.tables().device.length, 1);
    await send(harness, moved("6"));
    assert.deepEqual(harness.tables(), { device: [], device_attr: [], device_twin: [] });
    await send(harness, moved("7"), "insert");
    assert.equal(harness.tables().device.length, 0);
  }));

test("devices W4: a device follows its object: neither a lost nor a late membership message harms it", () =>
  withTwin(async (harness) => {
    const route = { source: "devicecontroller", group: "twin", operation: "update" };
    await send(harness, boiler("5", { setpoint: "60" }), "insert");
    await harness.cloud({ ...route, resource: "membership/detail" }, { devices: [] });
    await harness.cloud({ ...route, resource: "membership" }, { removed_devices: [{ id: "plant/boiler" }] });
    assert.equal(harness.tables().device_twin[0]?.["expected"], "60");
  }));

test("devices W5: at the start, stored Devices are compared with the twins: changes and deletions that were missed", async () => {
  await using harness = new TwinHarness();
  {
    await using first = await harness.start();
    void first;
    await send(harness, boiler("1", { setpoint: "60" }), "insert");
    const gone = boiler("2", { setpoint: "1" }, "u9");
    await send(harness, { ...gone, metadata: { ...gone.metadata, name: "gone" } }, "insert");
    harness.take();
  }
  using _ = harness.bus.handle("meta/list", () => [boiler("7", { setpoint: "65" })]);
  await harness.start();
  assert.deepEqual(deltas(harness), [{ setpoint: "65" }]);
  assert.deepEqual(
    harness.tables().device.map(({ id }) => id),
    ["plant/boiler"],
  );
});
