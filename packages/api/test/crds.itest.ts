import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { TestKubernetes } from "@kedge/testing";

const skip = TestKubernetes.missing();
const options = { skip, timeout: 120_000 };
const crds = path.join(import.meta.dirname, "../../../manifests/crds");
let kubernetes: TestKubernetes;
let dir: string;

before(
  async () => {
    if (skip !== false) return;
    dir = mkdtempSync(path.join(tmpdir(), "kedge-crds-"));
    kubernetes = await TestKubernetes.start();
    await kubernetes.kubectl("apply", "-f", crds);
    await kubernetes.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
  },
  { timeout: 120_000 },
);
after(async () => {
  await kubernetes?.[Symbol.asyncDispose]();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

async function apply(yaml: string): Promise<string> {
  const file = path.join(dir, "object.yaml");
  writeFileSync(file, yaml);
  return kubernetes.kubectl("apply", "-f", file);
}

test("CRDs are accepted as they are: nothing structural to complain about", options, async () => {
  const text = await kubernetes.kubectl("get", "crd", "-o", "json");
  const { items } = JSON.parse(text) as {
    items: {
      metadata: { name: string };
      status: { conditions: { type: string; status: string; message: string }[] };
    }[];
  };
  assert.deepEqual(items.map(({ metadata }) => metadata.name).toSorted(), [
    "clusterobjectsyncs.reliablesyncs.kubeedge.io",
    "devicemodels.devices.kubeedge.io",
    "devices.devices.kubeedge.io",
    "devicestatuses.devices.kubeedge.io",
    "objectsyncs.reliablesyncs.kubeedge.io",
  ]);
  for (const { metadata, status } of items)
    for (const { type, status: value, message } of status.conditions)
      if (type === "NonStructuralSchema" || type === "NamesAccepted")
        assert.equal(value, type === "NamesAccepted" ? "True" : "False", `${metadata.name}: ${message}`);
});

const BOILER = `
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: boiler-model, namespace: default}
spec:
  protocol: acme-serial
  protocolConfigData: {parity: none, nested: {deep: [1, 2]}}
  properties:
    - {name: pressure, type: FLOAT, accessMode: ReadOnly, unit: bar}
    - {name: setpoint, type: INT, accessMode: ReadWrite, minimum: "0", maximum: "90"}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: boiler-7, namespace: default, labels: {description: basement}}
spec:
  deviceModelRef: {name: boiler-model}
  nodeName: edge-basement
  protocol: {protocolName: acme-serial, configData: {port: /dev/ttyS1, baud: "9600"}}
  stateReport: {reportToCloud: true, reportCycle: 10000}
  properties:
    - name: setpoint
      desired: {value: "60", metadata: {type: INT}}
      collectCycle: 5000
      reportToCloud: true
      visitors: {protocolName: acme-serial, configData: {register: "13"}}
      pushMethod:
        dbMethod: {TDEngine: {TDEngineClientConfig: {addr: a, dbName: d}}}
        anomalyDetection: {any: thing}
  methods: [{name: adjust, propertyNames: [setpoint]}]
`;

test("a Device keeps all of its fields, and shows node, model and protocol", options, async () => {
  await apply(BOILER);
  const device = JSON.parse(await kubernetes.kubectl("get", "device", "boiler-7", "-o", "json")) as {
    spec: { properties: Record<string, unknown>[]; protocol: object };
  };
  assert.deepEqual(device.spec.protocol, {
    protocolName: "acme-serial",
    configData: { port: "/dev/ttyS1", baud: "9600" },
  });
  assert.deepEqual(device.spec.properties[0]?.["pushMethod"], {
    dbMethod: { TDEngine: { TDEngineClientConfig: { addr: "a", dbName: "d" } } },
    anomalyDetection: { any: "thing" },
  });
  const [header, row] = (await kubernetes.kubectl("get", "device", "-o", "wide")).trim().split("\n");
  assert.deepEqual(header?.split(/\s+/), ["NAME", "NODE", "MODEL", "PROTOCOL", "PROPERTY", "DESIRED", "AGE"]);
  assert.match(row ?? "", /^boiler-7\s+edge-basement\s+boiler-model\s+acme-serial\s+setpoint\s+60\s+\d+s/);
  const model = await kubernetes.kubectl(
    "get",
    "devicemodel",
    "boiler-model",
    "-o",
    "jsonpath={.spec.protocolConfigData}",
  );
  assert.deepEqual(JSON.parse(model), { parity: "none", nested: { deep: [1, 2] } });
});

test("a DeviceStatus shows state and values", options, async () => {
  await apply(`
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceStatus
metadata: {name: boiler-7, namespace: default}
status:
  state: online
  lastOnlineTime: "2020-01-01T00:00:00Z"
  extensions: {free: {form: 1}}
  twins:
    - propertyName: pressure
      reported: {value: "1.2", metadata: {timestamp: "1700000000000", type: float}}
`);
  const [header, row] = (await kubernetes.kubectl("get", "devicestatus")).trim().split("\n");
  assert.deepEqual(header?.split(/\s{2,}/), ["NAME", "STATE", "LAST ONLINE", "PROPERTY", "REPORTED", "AGE"]);
  assert.match(row ?? "", /^boiler-7\s+online\s+\S+\s+pressure\s+1\.2\s+\d+s/);
});

const refused: [what: string, yaml: string, complaint: RegExp][] = [
  [
    "a desired value without value",
    "{kind: Device, metadata: {name: x}, spec: {properties: [{name: a, desired: {metadata: {}}}]}}",
    /desired\.value.*Required/s,
  ],
  [
    "an unknown type",
    "{kind: DeviceModel, metadata: {name: x}, spec: {properties: [{name: a, type: WORD}]}}",
    /Unsupported value.*WORD/s,
  ],
  [
    "an unknown access mode",
    "{kind: DeviceModel, metadata: {name: x}, spec: {properties: [{name: a, accessMode: Never}]}}",
    /Unsupported value.*Never/s,
  ],
  ["an unknown member", "{kind: Device, metadata: {name: x}, spec: {nodename: a}}", /unknown field "spec.nodename"/],
];
for (const [what, yaml, complaint] of refused)
  test(`refuses ${what}`, options, async () => {
    const object = yaml.replace("{kind", "{apiVersion: devices.kubeedge.io/v1beta1, kind");
    await assert.rejects(apply(object), complaint);
  });

test("a model reference without name gets the empty one, as in the reference", options, async () => {
  await apply(
    "{apiVersion: devices.kubeedge.io/v1beta1, kind: Device, metadata: {name: bare}, spec: {deviceModelRef: {}}}",
  );
  const name = await kubernetes.kubectl("get", "device", "bare", "-o", "jsonpath={.spec}");
  assert.deepEqual(JSON.parse(name), { deviceModelRef: { name: "" } });
});

test("v1alpha2 is still served, as clients of old know it", options, async () => {
  await apply(`
apiVersion: devices.kubeedge.io/v1alpha2
kind: Device
metadata: {name: old, namespace: default}
spec:
  deviceModelRef: {name: m}
  nodeSelector: {nodeSelectorTerms: [{matchExpressions: [{key: "", operator: In, values: [node-1]}]}]}
  protocol: {modbus: {slaveID: 1}, common: {com: {baudRate: 9600, parity: even}}}
  propertyVisitors: [{propertyName: t, modbus: {register: CoilRegister, offset: 2, limit: 1, scale: 1.5}}]
`);
  const spec = await kubernetes.kubectl("get", "devices.v1alpha2.devices.kubeedge.io", "old", "-o", "jsonpath={.spec}");
  assert.match(spec, /"deviceModelRef":\{"name":"m"\}/);
});

test("ObjectSync has its status as a subresource", options, async () => {
  await apply(`
apiVersion: reliablesyncs.kubeedge.io/v1alpha1
kind: ObjectSync
metadata: {name: edge-1.0b2f, namespace: default}
spec: {objectAPIVersion: v1, objectKind: Pod, objectName: p}
status: {objectResourceVersion: "5"}
`);
  const get = () =>
    kubernetes.kubectl("get", "objectsync", "edge-1.0b2f", "-o", "jsonpath={.status.objectResourceVersion}");
  assert.equal(await get(), "");
  const patch = '{"status":{"objectResourceVersion":"7"}}';
  await kubernetes.kubectl("patch", "objectsync", "edge-1.0b2f", "--subresource=status", "--type=merge", "-p", patch);
  assert.equal(await get(), "7");
  const explained = await kubernetes.kubectl("explain", "clusterobjectsync.status");
  assert.match(explained, /acknowledged last/);
});
