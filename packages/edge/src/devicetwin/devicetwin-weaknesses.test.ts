import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { match, runVector, TwinHarness, vectorOf, vectors } from "./devicetwin-vectors.test-data.ts";
import type { MsgTwin } from "./twin-payloads.ts";

/** What the reference does wrong, done right: weaknesses as numbered in `devices-and-messaging` §10. */

const RESULT = "$hw/events/device/default/sensor-01/twin/update/result";
const SENSOR = { id: "default/sensor-01", name: "sensor-01", description: "", state: "", last_online: "" };
const UPDATE = "$hw/events/device/default/sensor-01/twin/update";

test("each defect that was recorded has a test", () => {
  const here = readFileSync(import.meta.filename, "utf8");
  const reports = readFileSync(path.join(import.meta.dirname, "cloud-reports.test.ts"), "utf8");
  const untested = vectors.filter(({ id, referenceBug }) => referenceBug && !`${here}${reports}`.includes(id));
  // A value outside the alphabet, over DMI: comes with the mapper server.
  assert.deepEqual(
    untested.map(({ id }) => id),
    ["dm-" + "05"],
  );
});

const refused: [id: string, eventId: string, reason: RegExp][] = [
  ["tu-09", "", /^Unmarshal update request body failed/],
  ["tu-10", "evt-1", /^Update twin error, key:twin does not exist$/],
  ["tu-11", "evt-1", /^The key of twin must only include/],
  ["tu-12", "evt-1", /^The value of twin must only include/],
  ["tu-13", "evt-1", /^The value of twin must only include/],
  ["tu-36", "evt-1", /^Unmarshal update request body failed/],
  ["tu-37", "evt-1", /^Unmarshal update request body failed/],
  ["tu-40", "evt-1", /^The key of twin must only include/],
];
for (const [id, eventId, reason] of refused)
  test(`devices W15: ${id}: a refusal goes to the device's own topic, with the event id if there is one`, async () => {
    const { steps, stored } = await runVector(vectorOf(id));
    const [publication, ...more] = steps[0]?.published ?? [];
    assert.equal(publication?.topic, RESULT);
    const payload = publication.payload as { event_id: string; code: number; reason: string };
    assert.equal(payload.event_id, eventId);
    assert.equal(payload.code, 400);
    assert.match(payload.reason, reason);
    assert.deepEqual([more, steps[0]?.toCloud], [[], []]);
    match(stored.device_twin, vectorOf(id).stored.device_twin);
  });

test("devices W11: tu-34: an expected value without value is refused, and the next request is served", async () => {
  const { steps } = await runVector(vectorOf("tu-34"));
  assert.deepEqual(
    steps.map(({ published }) => published.map(({ topic, payload }) => [topic, (payload as { code?: number }).code])),
    [
      [[RESULT, 400]],
      [
        [RESULT, undefined],
        [`${UPDATE}/document`, undefined],
        [`${UPDATE}/delta`, undefined],
      ],
    ],
  );
});

for (const id of ["ts-10", "ts-14", "ts-16"])
  test(`devices W11: ${id}: a sync with odd members harms nobody`, async () => {
    await using harness = new TwinHarness(vectorOf(id).stored);
    await harness.start();
    for (const { input } of vectorOf(id).steps) await harness.mqtt(input.topic ?? "", input.payload as object);
    harness.take();
    await harness.mqtt(UPDATE, { event_id: "after", twin: { temperature: { actual: { value: "5" } } } });
    assert.equal(harness.take().published[0]?.topic, RESULT);
  });

test("devices W11: ts-10: a sync without metadata is of the stored type", async () => {
  const { stored, steps } = await runVector(vectorOf("ts-10"));
  assert.equal(stored.device_twin[0]?.["expected"], "30");
  assert.equal(stored.device_twin[0]["attr_type"], "int");
  assert.equal(steps[0]?.published[0]?.topic, `${UPDATE}/document`);
});

test("devices W11: ts-16: a refused sync tells the cloud the edge's version, though there is no value", async () => {
  const { steps } = await runVector(vectorOf("ts-16"));
  const content = steps[0]?.toCloud[0]?.content as { twin: Record<string, MsgTwin> };
  assert.deepEqual(content.twin["temperature"], {
    optional: true,
    metadata: { type: "int" },
    expected_version: { cloud: 3, edge: 1 },
  });
});

test("devices W12: ts-12: a sync of the hub reaches the device of its whole id", async () => {
  const { stored, steps } = await runVector(vectorOf("ts-12"));
  assert.equal(stored.device_twin[0]?.["expected"], "30");
  assert.deepEqual(
    steps[0]?.published.map(({ topic }) => topic),
    [`${UPDATE}/document`, `${UPDATE}/delta`],
  );
});

test("devices W40: ts-17: a removal of which one side is late changes nothing, in memory and database alike", async () => {
  const { stored, steps } = await runVector(vectorOf("ts-17"));
  match(stored.device_twin, vectorOf("ts-17").stored.device_twin);
  const content = steps[0]?.toCloud[0]?.content as { twin: Record<string, MsgTwin> };
  assert.deepEqual(content.twin["temperature"]?.expected?.value, "20");
  assert.deepEqual(content.twin["temperature"].metadata, { type: "int" });
  const got = steps[1]?.published[0]?.payload as { twin: Record<string, MsgTwin> };
  assert.equal(got.twin["temperature"]?.actual?.value, "20");
});

test("ts-07: a sync without version leaves no traces", async () => {
  const { steps, stored } = await runVector(vectorOf("ts-07"));
  assert.deepEqual(steps[0], { published: [], toCloud: [] });
  assert.deepEqual(stored.device_twin, []);
});

for (const id of ["tu-20", "tu-43"])
  test(`devices W39: ${id}: removing what is not there is acknowledged, and that is all`, async () => {
    const { steps, stored } = await runVector(vectorOf(id));
    match(steps[0]?.published, [{ topic: RESULT, payload: { event_id: "evt-1", timestamp: "$NOW_MS", twin: {} } }]);
    assert.deepEqual(steps[0]?.toCloud, []);
    match(stored.device_twin, vectorOf(id).stored.device_twin);
  });

test("devices W39: a null for an unknown property does not end the request", async () => {
  await using harness = new TwinHarness({ device: [SENSOR] });
  await harness.start();
  const twin = { a: null, b: { actual: { value: "1" } }, c: null };
  await harness.mqtt(UPDATE, { event_id: "e", timestamp: 1, twin });
  const payload = harness.take().published[0]?.payload as { twin: object };
  assert.deepEqual(Object.keys(payload.twin), ["b"]);
});

test("tu-42: the type is checked for expected values, too", async () => {
  const { steps, stored } = await runVector(vectorOf("tu-42"));
  match(steps[0]?.published, [
    {
      topic: RESULT,
      payload: { event_id: "evt-1", timestamp: "$NOW_MS", code: 400, reason: "the value is not int or integer" },
    },
  ]);
  match(stored.device_twin, vectorOf("tu-42").stored.device_twin);
});

for (const namespace of ["dev", "device", "events", "hw", "ice", "d", "twin", "update", "$hw"])
  test(`devices W42: tu-33: a namespace called ${namespace} is only a name`, async () => {
    const device = { ...SENSOR, id: `${namespace}/sensor-01` };
    await using harness = new TwinHarness({ device: [device] });
    await harness.start();
    const topic = `$hw/events/device/${namespace}/sensor-01/twin/update`;
    await harness.mqtt(topic, { event_id: "e", timestamp: 1, twin: { t: { actual: { value: "22" } } } });
    assert.equal(harness.take().published[0]?.topic, `${topic}/result`);
    assert.equal(harness.tables().device_twin[0]?.["actual"], "22");
  });

for (const node of ["node", "no", "$hw", "device"])
  test(`devices W42: a node called ${node} is only a name`, async () => {
    await using harness = new TwinHarness({ device: [SENSOR] });
    await harness.start(node);
    await harness.mqtt(`$hw/events/node/${node}/membership/get`, { event_id: "e" });
    assert.equal(harness.take().published[0]?.topic, `$hw/events/node/${node}/membership/get/result`);
  });

test("devices W33: me-04: adding a known device again says nothing", async () => {
  const { steps, stored } = await runVector(vectorOf("me-04"));
  assert.deepEqual(steps[0], { published: [], toCloud: [] });
  assert.equal(stored.device.length, 1);
});

test("devices W33: me-05: attributes of a known device are taken over without a complaint about twins", async () => {
  const vector = vectorOf("me-05");
  const { steps, stored } = await runVector(vector);
  match(steps[0]?.published, (vector.steps[0]?.expect.published ?? []).slice(0, 1));
  match(stored.device_attr, vector.storedAfter.device_attr);
});

test("devices W35: st-02: when a device was last on line is kept when it goes off line", async () => {
  const { steps, stored } = await runVector(vectorOf("st-02"));
  assert.equal(stored.device[0]?.["last_online"], "2024-01-01T00:00:00Z");
  const payload = steps[0]?.published[0]?.payload as { device: unknown };
  assert.deepEqual(payload.device, { name: "sensor-01", state: "offline", lastOnlineTime: "2024-01-01T00:00:00Z" });
});

test("devices W36: reports of one device, sent without waiting, are applied in order", async () => {
  await using harness = new TwinHarness({ device: [SENSOR] });
  await harness.start();
  const count = 200;
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      harness.mqtt(UPDATE, { event_id: `e-${index}`, twin: { counter: { actual: { value: String(index) } } } }),
    ),
  );
  const results = harness.take().published.filter(({ topic }) => topic === RESULT);
  assert.deepEqual(
    results.map(({ payload }) => (payload as { event_id: string }).event_id),
    Array.from({ length: count }, (_, index) => `e-${index}`),
  );
  assert.equal(harness.tables().device_twin[0]?.["actual"], String(count - 1));
  assert.equal(harness.tables().device_twin[0]?.["actual_version"], `{"cloud":0,"edge":${count}}`);
});

test("devices W41: a property called __proto__ is only a property", async () => {
  await using harness = new TwinHarness({ device: [SENSOR] });
  await harness.start();
  await harness.mqtt(UPDATE, '{"event_id":"e","twin":{"__proto__":{"actual":{"value":"x"}}}}');
  const payload = harness.take().published[0]?.payload as { twin: object };
  assert.deepEqual(Object.keys(payload.twin), ["__proto__"]);
  assert.equal(({} as Record<string, unknown>)["actual"], undefined);
});
