import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DEVICE_MODELS, DEVICE_STATUSES, DEVICES } from "@kedge/api";
import { TestKubernetes } from "@kedge/testing";
import { CRDS, DeviceControllerHarness } from "./devicecontroller-harness.ts";

const skip = TestKubernetes.missing();
const options = { skip, timeout: 20_000 };
let kubernetes: TestKubernetes;
let count = 0;

before(
  async () => {
    if (skip !== false) return;
    kubernetes = await TestKubernetes.start();
    await kubernetes.kubectl("apply", "-f", CRDS);
    await kubernetes.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
  },
  { timeout: 120_000 },
);
after(() => kubernetes?.[Symbol.asyncDispose]());

/** Runs `work` with a namespace of its own, which must not meet the devices of other tests. */
async function inNamespace(work: (harness: DeviceControllerHarness) => Promise<void>): Promise<void> {
  count += 1;
  const namespace = `devices-${count}`;
  await kubernetes.kubectl("create", "namespace", namespace);
  await using harness = new DeviceControllerHarness(kubernetes, namespace);
  await work(harness);
}

const twin = (actual: string, edge = 1, more: object = {}) => ({
  event_id: "e",
  timestamp: 1,
  twin: {
    t: {
      actual: { value: actual, metadata: { timestamp: 1700000000000 + edge } },
      actual_version: { cloud: 0, edge },
      optional: true,
      metadata: { type: "int" },
    },
    ...more,
  },
});

test("a device's life: membership, model, device; changes; leaving", options, () =>
  inNamespace(async (harness) => {
    await harness.start();
    harness.connect("n1");
    await harness.model("m");
    await harness.device("d1", "n1", "m");
    const [membership, model, device] = [await harness.next(), await harness.next(), await harness.next()];
    const base = { source: "devicecontroller", group: "resource", operation: "insert" };
    assert.equal(membership.route.resource, `node/${harness.node("n1")}/membership`);
    assert.deepEqual((membership.content as { added_devices: unknown }).added_devices, [
      { id: `${harness.namespace}/d1`, name: "d1", description: "the-d1" },
    ]);
    assert.equal((membership.content as { removed_devices: unknown }).removed_devices, null);
    assert.deepEqual(model.route, {
      ...base,
      resource: `node/${harness.node("n1")}/${harness.namespace}/devicemodel/m`,
    });
    assert.deepEqual(device.route, { ...base, resource: `node/${harness.node("n1")}/${harness.namespace}/device/d1` });
    const { apiVersion, kind, metadata } = device.content as {
      apiVersion: string;
      kind: string;
      metadata: { resourceVersion: string };
    };
    assert.deepEqual([apiVersion, kind], ["devices.kubeedge.io/v1beta1", "Device"]);
    assert.equal(device.header.resourceversion, metadata.resourceVersion);

    await harness.device("d2", "n1", "m");
    assert.deepEqual(await harness.nextLines(2), ["update node/n1/membership", "insert node/n1/device/d2"]);
    await harness.patch(DEVICES, "d1", { spec: { properties: [{ name: "t", desired: { value: "2" } }] } });
    assert.deepEqual(await harness.nextLines(1), ["update node/n1/device/d1"]);
    await harness.delete(DEVICES, "d1");
    assert.deepEqual(await harness.nextLines(2), ["update node/n1/membership", "delete node/n1/device/d1"]);
    await harness.delete(DEVICES, "d2");
    assert.deepEqual(await harness.nextLines(3), [
      "update node/n1/membership",
      "delete node/n1/devicemodel/m",
      "delete node/n1/device/d2",
    ]);
  }),
);

test("devices W1: a device without model harms nobody", options, () =>
  inNamespace(async (harness) => {
    await harness.start();
    harness.connect("n1");
    await harness.device("bare", "n1");
    await harness.model("m");
    await harness.device("d", "n1", "m");
    assert.deepEqual(await harness.nextLines(5), [
      "update node/n1/membership",
      "insert node/n1/device/bare",
      "update node/n1/membership",
      "insert node/n1/devicemodel/m",
      "insert node/n1/device/d",
    ]);
  }),
);

test(
  "devices W6: a model that comes late or changes reaches the nodes that need it; another model is an insert",
  options,
  () =>
    inNamespace(async (harness) => {
      await harness.start();
      harness.connect("n1");
      await harness.device("d", "n1", "late");
      assert.deepEqual(await harness.nextLines(2), ["update node/n1/membership", "insert node/n1/device/d"]);
      await harness.model("late");
      assert.deepEqual(await harness.nextLines(1), ["insert node/n1/devicemodel/late"]);
      await harness.patch(DEVICE_MODELS, "late", { spec: { protocol: "q" } });
      assert.deepEqual(await harness.nextLines(1), ["update node/n1/devicemodel/late"]);
      await harness.model("other");
      await harness.patch(DEVICES, "d", { spec: { deviceModelRef: { name: "other" } } });
      assert.deepEqual(await harness.nextLines(3), [
        "insert node/n1/devicemodel/other",
        "update node/n1/device/d",
        "delete node/n1/devicemodel/late",
      ]);
    }),
);

test("a device moves from node to node; a node that is away is told everything on connecting", options, () =>
  inNamespace(async (harness) => {
    await harness.model("m");
    await harness.device("d", "n1", "m");
    await harness.start();
    harness.connect("n1");
    assert.deepEqual(await harness.nextLines(2), ["insert node/n1/devicemodel/m", "insert node/n1/device/d"]);
    await harness.patch(DEVICES, "d", { spec: { nodeName: harness.node("n2") } });
    assert.deepEqual(await harness.nextLines(3), [
      "update node/n1/membership",
      "delete node/n1/devicemodel/m",
      "delete node/n1/device/d",
    ]);
    harness.connect("n2");
    assert.deepEqual(await harness.nextLines(2), ["insert node/n2/devicemodel/m", "insert node/n2/device/d"]);
    assert.equal(harness.controller?.deviceFor(harness.node("n1"), `${harness.namespace}/d`), undefined);
    assert.equal(harness.controller?.deviceFor(harness.node("n2"), `${harness.namespace}/d`)?.metadata?.name, "d");
    assert.equal(harness.controller?.modelFor(harness.node("n1"), `${harness.namespace}/m`), undefined);
  }),
);

test("devices W4: the edge's question for its devices is answered with all of them, and confirmed", options, () =>
  inNamespace(async (harness) => {
    await harness.device("d", "n1");
    await harness.start();
    const id = await harness.report("n1", "", "state/update", "{}");
    const detail = await harness.next();
    assert.equal(detail.route.resource, `node/${harness.node("n1")}/membership/detail`);
    assert.equal(detail.header.parent_msg_id, undefined);
    const { devices } = detail.content as { devices: unknown };
    assert.deepEqual(devices, [{ id: `${harness.namespace}/d`, name: "d", description: "the-d" }]);
    assert.equal((await harness.next()).header.parent_msg_id, id);
  }),
);

test("devices W2: the first report is stored, with its metadata; then confirmed", options, () =>
  inNamespace(async (harness) => {
    const device = await harness.device("d", "n1");
    await harness.start();
    const id = await harness.report("n1", "d", "twin/edge_updated", twin("23"));
    const status = await harness.kube.get(DEVICE_STATUSES, harness.key("d"), AbortSignal.timeout(5_000));
    assert.deepEqual(status.status?.twins, [
      { propertyName: "t", reported: { value: "23", metadata: { timestamp: "1700000000001", type: "int" } } },
    ]);
    assert.deepEqual(status.metadata?.ownerReferences, [
      {
        apiVersion: "devices.kubeedge.io/v1beta1",
        kind: "Device",
        name: "d",
        uid: device.metadata?.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
    const confirmation = await harness.next();
    assert.deepEqual(confirmation.route, {
      source: "devicecontroller",
      group: "twin",
      operation: "response",
      resource: `node/${harness.node("n1")}/twin`,
    });
    assert.deepEqual([confirmation.content, confirmation.header.parent_msg_id], ["OK", id]);
  }),
);

test("expected values, text content, states; what is not in the spec or was removed is not there", options, () =>
  inNamespace(async (harness) => {
    await harness.device("d", "n1");
    await harness.start();
    const h = { expected: { value: "5" }, actual: { value: "4" } };
    await harness.report("n1", "d", "twin/edge_updated", JSON.stringify(twin("1", 1, { h, stranger: h })));
    const state = { device: { name: "d", state: "online", lastOnlineTime: "2026-01-01T00:00:00Z" } };
    await harness.report("n1", "d", "state/update", JSON.stringify(state));
    await harness.report("n1", "d", "state/update", { device: { name: "d", state: "offline" } });
    let { status } = await harness.status("d", (found) => found.status?.state === "offline");
    assert.equal(status?.lastOnlineTime, "2026-01-01T00:00:00Z");
    assert.deepEqual(status?.twins?.[1], {
      propertyName: "h",
      reported: { value: "4" },
      observedDesired: { value: "5" },
    });
    assert.equal(status?.twins?.length, 2);
    const removed = { expected: {}, actual: {}, metadata: { type: "deleted" } };
    await harness.report("n1", "d", "twin/edge_updated", { twin: { h: removed } });
    ({ status } = await harness.kube.get(DEVICE_STATUSES, harness.key("d"), AbortSignal.timeout(5_000)));
    assert.deepEqual(
      status?.twins?.map(({ propertyName }) => propertyName),
      ["t"],
    );
  }),
);

test("devices W7: values of properties that the Device has no more are dropped", options, () =>
  inNamespace(async (harness) => {
    await harness.device("d", "n1");
    await harness.start();
    await harness.report("n1", "d", "twin/edge_updated", twin("1", 1, { h: { actual: { value: "2" } } }));
    await harness.patch(DEVICES, "d", { spec: { properties: [{ name: "h" }] } });
    const { status } = await harness.status("d", (found) => found.status?.twins?.length === 1);
    assert.equal(status?.twins?.[0]?.propertyName, "h");
  }),
);

test("many reports at once: the newest is stored, in few writes, and each is confirmed", options, () =>
  inNamespace(async (harness) => {
    await harness.device("d", "n1");
    await harness.start();
    await harness.status("d", () => true);
    const reports = 300;
    const before = await generationOf(harness);
    await Promise.all(
      Array.from({ length: reports }, (_, index) =>
        harness.report("n1", "d", "twin/edge_updated", twin(`${index}`, index + 1)),
      ),
    );
    const { status } = await harness.kube.get(DEVICE_STATUSES, harness.key("d"), AbortSignal.timeout(5_000));
    assert.equal(status?.twins?.[0]?.reported?.value, `${reports - 1}`);
    assert.equal(harness.unread, reports);
    const writes = (await generationOf(harness)) - before;
    assert.ok(writes < reports / 10, `${writes} writes`);
  }),
);

/** Grows with each write. */
async function generationOf(harness: DeviceControllerHarness): Promise<number> {
  const status = await harness.kube.get(DEVICE_STATUSES, harness.key("d"), AbortSignal.timeout(5_000));
  return status.metadata?.generation ?? 0;
}

test("an older version does not come after a newer one, until the node's next session", options, () =>
  inNamespace(async (harness) => {
    await harness.device("d", "n1");
    await harness.start();
    const value = async () =>
      (await harness.kube.get(DEVICE_STATUSES, harness.key("d"), AbortSignal.timeout(5_000))).status?.twins?.[0]
        ?.reported?.value;
    await harness.report("n1", "d", "twin/edge_updated", twin("new", 5));
    await harness.report("n1", "d", "twin/edge_updated", twin("old", 4));
    assert.equal(await value(), "new");
    harness.connect("n1");
    await harness.report("n1", "d", "twin/edge_updated", twin("anew", 1));
    assert.equal(await value(), "anew");
  }),
);

test("devices W7: what another program or replica writes meanwhile is not undone", options, () =>
  inNamespace(async (harness) => {
    await harness.device("d", "n1");
    await harness.start();
    const other = { propertyName: "h", reported: { value: "of another replica" } };
    for (let index = 1; index <= 20; index += 1) {
      const before = await harness.status("d", () => true);
      const twins = [...(before.status?.twins?.filter(({ propertyName }) => propertyName !== "h") ?? []), other];
      await harness.patch(DEVICE_STATUSES, "d", { status: { twins } });
      await harness.report("n1", "d", "twin/edge_updated", twin(`${index}`, index));
      const { status } = await harness.kube.get(DEVICE_STATUSES, harness.key("d"), AbortSignal.timeout(5_000));
      assert.deepEqual(status?.twins?.map(({ propertyName }) => propertyName).toSorted(), ["h", "t"]);
      assert.equal(status?.twins?.find(({ propertyName }) => propertyName === "t")?.reported?.value, `${index}`);
    }
  }),
);

test(
  "devices W8: a report of a device that is gone, of another node, or of no sense is confirmed and changes nothing",
  options,
  () =>
    inNamespace(async (harness) => {
      await harness.device("d", "n1");
      await harness.start();
      const ids = [
        await harness.report("n1", "absent", "twin/edge_updated", twin("1")),
        await harness.report("n2", "d", "twin/edge_updated", twin("forged")),
        await harness.report("n1", "d", "twin/edge_updated", "no JSON"),
        await harness.report("n1", "d", "twin/edge_updated", { twin: { t: { actual: { value: 7 } } } }),
      ];
      for (const id of ids) assert.equal((await harness.next()).header.parent_msg_id, id);
      const { status } = await harness.status("d", () => true);
      assert.deepEqual(status?.twins ?? [], []);
    }),
);

test("a DeviceStatus that somebody deletes comes back; that of an earlier Device is replaced", options, () =>
  inNamespace(async (harness) => {
    const first = await harness.device("d", "n1");
    await harness.start();
    const { metadata } = await harness.status("d", () => true);
    await harness.delete(DEVICE_STATUSES, "d");
    await harness.status("d", (status) => status.metadata?.uid !== metadata?.uid);
    await harness.delete(DEVICES, "d"); // there is no garbage collector here
    const second = await harness.device("d", "n1");
    assert.notEqual(first.metadata?.uid, second.metadata?.uid);
    await harness.report("n1", "d", "twin/edge_updated", twin("1"));
    await harness.status("d", (status) => status.metadata?.ownerReferences?.[0]?.uid === second.metadata?.uid);
  }),
);

test("without the CRDs: one sentence that says what to do", options, async () => {
  await using bare = await TestKubernetes.start();
  await using harness = new DeviceControllerHarness(bare, "default");
  await assert.rejects(harness.start(), { code: "CrdsMissing", message: /kubectl apply -f manifests\/crds/ });
});

test("a report that comes again after a restart of the cloud sets nothing back", options, () =>
  inNamespace(async (harness) => {
    await harness.start();
    await harness.device("d1", "n1");
    const stream = crypto.randomUUID();
    const report = (value: string, edge: number, repeated: boolean) =>
      harness.report("n1", "d1", "twin/edge_updated", twin(value, edge), { stream, repeated });
    const valueIs = (value: string) =>
      harness.status("d1", ({ status }) => status?.twins?.[0]?.reported?.value === value);
    await report("5", 5, false);
    await valueIs("5");
    await harness.controller?.[Symbol.asyncDispose]();
    await harness.start();
    await report("4", 4, true);
    const { status } = await harness.kube.get(DEVICE_STATUSES, harness.key("d1"), AbortSignal.timeout(10_000));
    assert.equal(status?.twins?.[0]?.reported?.value, "5");
    await report("6", 6, true);
    await valueIs("6");
    // Another database counts anew.
    await harness.controller?.[Symbol.asyncDispose]();
    await harness.start();
    await harness.report("n1", "d1", "twin/edge_updated", twin("1", 1), {
      stream: crypto.randomUUID(),
      repeated: true,
    });
    await valueIs("1");
  }),
);
