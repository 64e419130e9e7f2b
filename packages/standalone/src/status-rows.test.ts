import assert from "node:assert/strict";
import { test } from "node:test";
import { age, deviceRow, nodeRow, podRow } from "./status-rows.ts";

const NOW_MS = Date.parse("2026-01-01T12:00:00Z");
const ago = (ms: number) => new Date(NOW_MS - ms).toISOString();
const DAY_MS = 24 * 3_600_000;

const ready = (status: "True" | "Unknown", heardMs = 1000) => ({
  type: "Ready",
  status,
  message: "said",
  lastHeartbeatTime: ago(heardMs),
});
const nodes = [
  { name: "that is ready", condition: ready("True"), state: "Ready", detail: "said" },
  { name: "that is cordoned", unschedulable: true, condition: ready("True"), state: "Ready,SchedulingDisabled" },
  { name: "that is away", condition: ready("Unknown"), state: "NotReady", detail: "said" },
  {
    name: "that was ready long ago",
    condition: ready("True", DAY_MS),
    renewedMs: DAY_MS / 4,
    state: "NotReady",
    detail: "last heard of 6 h ago",
  },
  { name: "with an old status and a fresh lease", condition: ready("True", 299_000), renewedMs: 9000, state: "Ready" },
  {
    name: "whose agent is stopped",
    condition: ready("True"),
    agentStopped: true,
    state: "NotReady",
    detail: "its agent is stopped, last heard of 1 s ago",
  },
];
for (const { name, unschedulable, condition, renewedMs, agentStopped = false, state, detail } of nodes)
  test(`a node ${name} is ${state}`, () => {
    const node = {
      metadata: { name: "n" },
      spec: unschedulable === undefined ? {} : { unschedulable },
      status: { conditions: [condition] },
    };
    const lease = renewedMs === undefined ? undefined : { spec: { renewTime: ago(renewedMs) } };
    const { cells, well } = nodeRow(node, { lease, agentStopped }, NOW_MS);
    assert.deepEqual(cells.slice(0, 3), ["node", "n", state]);
    if (detail !== undefined) assert.equal(cells[3], detail);
    assert.equal(well, state.startsWith("Ready"));
  });

const twin = (propertyName: string, value?: string, reportedMs = 1000) => ({
  propertyName,
  ...(value !== undefined && { reported: { value, metadata: { timestamp: String(NOW_MS - reportedMs) } } }),
});
const devices = [
  { name: "a device with a word of its own", status: { state: "online", twins: [] }, state: "online", detail: "" },
  { name: "one that reports", status: { twins: [twin("t", "21"), twin("u")] }, state: "reporting", detail: "t=21 u=?" },
  { name: "one that says nothing", status: {}, state: "silent", detail: "" },
  {
    name: "one that no longer reports",
    status: { state: "online", twins: [twin("t", "21", DAY_MS)] },
    state: "silent",
    detail: "last report 24 h ago: t=21",
  },
  {
    name: "one whose node is gone",
    node: "gone",
    status: { twins: [twin("t", "21")] },
    state: "lost",
    detail: "there is no node gone, last report 1 s ago: t=21",
  },
  {
    name: "one whose node is away",
    node: "away",
    status: { state: "online", twins: [twin("t", "21", 400_000)] },
    state: "unknown",
    detail: "node away does not report, last report 7 min ago: t=21",
  },
];
const nodeWell = (name: string) => ({ n: true, away: false })[name];
for (const { name, node = "n", status, state, detail } of devices)
  test(`${name} is ${state}`, () => {
    const reports = { metadata: { namespace: "default", name: "d" }, status };
    const { cells, well } = deviceRow(reports, { spec: { nodeName: node } }, nodeWell, NOW_MS);
    assert.deepEqual(cells, ["device", "default/d", state, detail]);
    assert.equal(well, state === "online" || state === "reporting");
  });

test("a pod is what it says, unless its node is away", () => {
  const pod = {
    metadata: { namespace: "default", name: "p" },
    spec: { nodeName: "n", containers: [] },
    status: { phase: "Running", podIP: "10.0.0.2", conditions: [{ type: "Ready", status: "True" as const }] },
  };
  assert.deepEqual(
    podRow(pod, () => true),
    { cells: ["pod", "default/p", "Running", "10.0.0.2"], well: true },
  );
  assert.deepEqual(podRow(pod, () => false).cells.slice(2), ["Unknown", "its node does not report"]);
  assert.equal(podRow({ ...pod, status: { phase: "Running" } }, () => true).well, false);
});

test("an age is one number", () => {
  assert.deepEqual([90_000, 300_000, 5 * 3_600_000, 3 * DAY_MS].map(age), ["90 s", "5 min", "5 h", "3 d"]);
});
