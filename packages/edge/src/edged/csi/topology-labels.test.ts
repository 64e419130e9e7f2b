import assert from "node:assert/strict";
import { test } from "node:test";
import { topologyLabels } from "./topology-labels.ts";

for (const { key, value, taken } of [
  { key: "topology.hostpath.csi/node", value: "edge-1", taken: true },
  { key: "topology.kubernetes.io/zone", value: "a", taken: true },
  { key: "zone", value: "", taken: true },
  { key: "node-role.kubernetes.io/control-plane", value: "", taken: false },
  { key: "node-restriction.kubernetes.io/x", value: "y", taken: false },
  { key: "kubernetes.io/hostname", value: "other", taken: false },
  { key: "evilkubernetes.io/x", value: "y", taken: true },
  { key: "$patch", value: "replace", taken: false },
  { key: "a/b/c", value: "y", taken: false },
  { key: "ok/name", value: "no spaces here", taken: false },
  { key: `${"a".repeat(300)}/x`, value: "y", taken: false },
])
  test(`a driver's topology ${key.slice(0, 40)}=${value} is ${taken ? "" : "not "}a label of the node`, () =>
    assert.deepEqual(topologyLabels({ [key]: value }), taken ? { [key]: value } : {}));
