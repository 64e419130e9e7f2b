import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Clock } from "@kedge/runtime";
import { UNCONFIRMED_PER_DEVICE_MAX } from "./cloud-reports.ts";
import { TwinHarness } from "./devicetwin-vectors.test-data.ts";
import type { MsgTwin } from "./twin-payloads.ts";

const device = (name: string) => ({ id: `default/${name}`, name, description: "", state: "", last_online: "" });
const report = (harness: TwinHarness, name: string, property: string, value: string) =>
  harness.mqtt(`$hw/events/device/default/${name}/twin/update`, { twin: { [property]: { actual: { value } } } });
const OK = { source: "devicecontroller", group: "twin", operation: "response", resource: "twin" };

/** What went to the cloud about twins: device → property → value. */
function reported(harness: TwinHarness): [resource: string, values: Record<string, string | undefined>][] {
  return harness
    .take()
    .toCloud.map(({ route, content }) => [(route as { resource: string }).resource, content] as const)
    .filter(([resource]) => resource.endsWith("/twin/edge_updated"))
    .map(([resource, content]) => {
      const { twin } = content as { twin: Record<string, MsgTwin> };
      return [resource, Object.fromEntries(Object.entries(twin).map(([name, one]) => [name, one.actual?.value]))];
    });
}

/** Lets what was sent without waiting get out. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("devices W13: tu-30: what was reported without the cloud is sent once it is there: newest values, one message a device", async () => {
  await using harness = new TwinHarness({ device: [device("a"), device("b")] });
  await harness.start();
  await report(harness, "a", "t", "1");
  await report(harness, "b", "t", "7");
  await report(harness, "a", "t", "2");
  await report(harness, "a", "h", "3");
  await harness.mqtt("$hw/events/device/default/b/state/update", { state: "online" });
  assert.deepEqual(harness.take().toCloud, []);
  harness.bus.notify("hub/connection", { connected: true });
  await settled();
  const { toCloud } = harness.take();
  assert.deepEqual(
    toCloud.map(({ route }) => (route as { resource: string }).resource),
    [
      "membership/detail",
      "device/default/a/twin/edge_updated",
      "device/default/b/twin/edge_updated",
      "device/default/b/state/update",
    ].toSorted((x, y) => order(x) - order(y)),
  );
  const contents = new Map(toCloud.map(({ route, content }) => [(route as { resource: string }).resource, content]));
  const a = contents.get("device/default/a/twin/edge_updated") as { twin: Record<string, MsgTwin> };
  assert.equal(a.twin["t"]?.actual?.value, "2");
  assert.deepEqual(a.twin["t"].actual_version, { cloud: 0, edge: 2 });
  assert.equal(a.twin["h"]?.actual?.value, "3");
  const state = JSON.parse(contents.get("device/default/b/state/update") as string) as { device: { state: string } };
  assert.equal(state.device.state, "online");

  /** The device that waits longest comes first. */
  function order(resource: string): number {
    return resource === "membership/detail" ? 0 : resource.includes("/b/") ? (resource.includes("twin") ? 1 : 2) : 3;
  }
});

test("devices W13: reports that nobody confirmed survive a restart; confirmed ones are not sent again", async () => {
  const dir = mkdtempSync(path.join(tmpdir(), "kedge-twin-"));
  try {
    const file = path.join(dir, "edge.db");
    {
      await using harness = new TwinHarness({ device: [device("a")] }, file);
      await harness.start();
      harness.bus.notify("hub/connection", { connected: true });
      harness.take();
      await report(harness, "a", "confirmed", "1");
      const [id] = harness.sentIds;
      assert.ok(id);
      await harness.cloud(OK, "OK", id);
      await report(harness, "a", "unconfirmed", "2");
    }
    await using harness = new TwinHarness({}, file);
    await harness.start();
    harness.bus.notify("hub/connection", { connected: true });
    await settled();
    assert.deepEqual(reported(harness), [["device/default/a/twin/edge_updated", { unconfirmed: "2" }]]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("a late confirmation of an older value does not settle the newer one", async () => {
  await using harness = new TwinHarness({ device: [device("a")] });
  await harness.start();
  harness.bus.notify("hub/connection", { connected: true });
  harness.take();
  await report(harness, "a", "t", "1");
  const [first] = harness.sentIds;
  await report(harness, "a", "t", "2");
  await harness.cloud(OK, "OK", first);
  harness.take();
  harness.bus.notify("hub/connection", { connected: false });
  harness.bus.notify("hub/connection", { connected: true });
  await settled();
  assert.deepEqual(reported(harness), [["device/default/a/twin/edge_updated", { t: "2" }]]);
});

test("a removal that the cloud has not confirmed is sent again as a removal", async () => {
  await using harness = new TwinHarness({ device: [device("a")] });
  await harness.start();
  await report(harness, "a", "t", "1");
  await harness.mqtt("$hw/events/device/default/a/twin/update", { twin: { t: null } });
  harness.bus.notify("hub/connection", { connected: true });
  await settled();
  const message = harness.take().toCloud.find(({ route }) => (route as { resource: string }).resource.includes("twin"));
  assert.ok(message);
  const { twin } = message.content as { twin: Record<string, MsgTwin> };
  assert.deepEqual(twin["t"], {
    expected: {},
    actual: {},
    optional: true,
    metadata: { type: "deleted" },
    actual_version: { cloud: 0, edge: 2 },
  });
});

test("nothing of a removed device is left to report", async () => {
  await using harness = new TwinHarness({ device: [device("a")] });
  await harness.start();
  await report(harness, "a", "t", "1");
  const membership = { source: "devicecontroller", group: "twin", operation: "update", resource: "membership" };
  await harness.cloud(membership, { removed_devices: [{ id: "default/a" }] });
  harness.take();
  harness.bus.notify("hub/connection", { connected: true });
  await settled();
  assert.deepEqual(reported(harness), []);
});

/** Time that stands still until it is moved on. */
class ManualClock implements Clock {
  #now = 0;
  readonly #sleepers: { due: number; wake: () => void }[] = [];
  now = () => this.#now;
  monotonic = () => this.#now;

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleepers.push({ due: this.#now + ms, wake: resolve });
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }

  /** In steps, so that whoever wakes can go to sleep again in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    while (this.#now < end) {
      this.#now += 1000;
      for (const sleeper of this.#sleepers.splice(0)) {
        if (sleeper.due <= this.#now) sleeper.wake();
        else this.#sleepers.push(sleeper);
      }
      await settled();
    }
  }
}

test("devices W14: what nobody confirms is sent again after 30 s, 60 s, 2 min … whatever else goes on, until it is confirmed", async () => {
  await using harness = new TwinHarness({ device: [device("a"), device("b")] });
  const clock = new ManualClock();
  await harness.start("edge-node-1", clock);
  harness.bus.notify("hub/connection", { connected: true });
  harness.take();
  await report(harness, "a", "t", "1");
  harness.take();
  const sentAt: number[] = [];
  for (let second = 0; second < 460; second += 10) {
    await clock.advance(10_000);
    const ids = [...harness.sentIds];
    if (reported(harness).length > 0) {
      sentAt.push(clock.now() / 1000);
      if (sentAt.length === 4) await harness.cloud(OK, "OK", ids.at(-1));
    }
    const membership = { source: "devicecontroller", group: "twin", operation: "update", resource: "membership" };
    await harness.cloud(membership, { added_devices: [] }); // other traffic
  }
  assert.deepEqual(sentAt, [30, 90, 210, 450]);
  await clock.advance(30 * 60_000);
  assert.deepEqual(reported(harness), []);
});

test("W45: which devices the node has is asked once a connection, and not again though nobody confirms it", async () => {
  await using harness = new TwinHarness({ device: [device("a")] });
  const clock = new ManualClock();
  await harness.start("edge-node-1", clock);
  const asked = () =>
    harness.take().toCloud.filter(({ route }) => (route as { resource: string }).resource === "membership/detail")
      .length;
  for (let connections = 0; connections < 3; connections += 1) {
    harness.bus.notify("hub/connection", { connected: true });
    await settled();
    assert.equal(asked(), 1);
    await clock.advance(30 * 60_000);
    assert.equal(asked(), 0);
    harness.bus.notify("hub/connection", { connected: false });
  }
  await clock.advance(30 * 60_000);
  assert.equal(asked(), 0);
});

test("devices W37: a device that reports faster than the cloud confirms does not fill the way: the newest goes, in one message", async () => {
  await using harness = new TwinHarness({ device: [device("a"), device("b")] });
  await harness.start();
  harness.bus.notify("hub/connection", { connected: true });
  harness.take();
  for (let index = 0; index < 100; index += 1) await report(harness, "a", index % 2 === 0 ? "t" : "h", `${index}`);
  const ids = [...harness.sentIds];
  assert.equal(reported(harness).length, UNCONFIRMED_PER_DEVICE_MAX);
  await report(harness, "b", "t", "free");
  assert.equal(reported(harness).length, 1);
  await harness.cloud(OK, "OK", ids[0]);
  const held = [...harness.sentIds];
  assert.deepEqual(reported(harness), [["device/default/a/twin/edge_updated", { h: "99", t: "98" }]]);
  for (const id of [...ids.slice(1), ...held]) await harness.cloud(OK, "OK", id);
  assert.deepEqual(reported(harness), []);
  harness.bus.notify("hub/connection", { connected: false });
  harness.bus.notify("hub/connection", { connected: true });
  await settled();
  assert.deepEqual(
    reported(harness).map(([resource]) => resource),
    ["device/default/b/twin/edge_updated"],
  );
});

test("devices W40: a tombstone goes once the cloud knows of the removal", async () => {
  await using harness = new TwinHarness({ device: [device("a")] });
  await harness.start();
  harness.bus.notify("hub/connection", { connected: true });
  await report(harness, "a", "t", "1");
  await report(harness, "a", "kept", "1");
  harness.take();
  await harness.mqtt("$hw/events/device/default/a/twin/update", { twin: { t: null } });
  assert.equal(harness.tables().device_twin.length, 2);
  await harness.cloud(OK, "OK", harness.sentIds[0]);
  assert.deepEqual(
    harness.tables().device_twin.map(({ name }) => name),
    ["kept"],
  );
});

test("a hub that refuses a report does not lose it", async () => {
  await using harness = new TwinHarness({ device: [device("a")] });
  const clock = new ManualClock();
  let full = true;
  harness.refuse = () => full;
  await harness.start("edge-node-1", clock);
  harness.bus.notify("hub/connection", { connected: true });
  await report(harness, "a", "t", "1");
  assert.deepEqual(reported(harness), []);
  full = false;
  await clock.advance(60_000);
  assert.deepEqual(reported(harness), [["device/default/a/twin/edge_updated", { t: "1" }]]);
});
