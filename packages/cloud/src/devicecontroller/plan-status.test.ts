import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device, DeviceStatus } from "@kedge/api";
import { planStatus } from "./plan-status.ts";
import { readStateReport, readTwinReport } from "./read-report.ts";

const device: Device = { spec: { properties: [{ name: "t" }, { name: "h" }] } };
const stored: DeviceStatus = {
  status: { state: "online", twins: [{ propertyName: "t", reported: { value: "1" } }] },
};
const report = (twin: object) => ({ twins: readTwinReport({ twin }), state: {} });
const none = { twins: new Map(), state: {} };

const cases: { name: string; status?: DeviceStatus; pending: Parameters<typeof planStatus>[2]; patch: unknown }[] = [
  { name: "nothing reported, nothing written", status: stored, pending: none, patch: undefined },
  {
    name: "devices W2: the first report has its value",
    pending: report({ t: { actual: { value: "7", metadata: { timestamp: 5 } }, metadata: { type: "int" } } }),
    patch: { twins: [{ propertyName: "t", reported: { value: "7", metadata: { timestamp: "5", type: "int" } } }] },
  },
  {
    name: "others stay: the list is written whole",
    status: stored,
    pending: report({ h: { expected: { value: "x" } } }),
    patch: {
      twins: [
        { propertyName: "t", reported: { value: "1" } },
        { propertyName: "h", observedDesired: { value: "x" } },
      ],
    },
  },
  {
    name: "the same again is not written",
    status: stored,
    pending: report({ t: { actual: { value: "1" } } }),
    patch: undefined,
  },
  {
    name: "an empty value is a value",
    status: stored,
    pending: report({ t: { actual: { value: "" } } }),
    patch: { twins: [{ propertyName: "t", reported: { value: "" } }] },
  },
  { name: "a removed twin goes", status: stored, pending: report({ t: null }), patch: { twins: [] } },
  {
    name: "what the Device does not have is left out",
    status: stored,
    pending: report({ alien: { actual: { value: "1" } } }),
    patch: undefined,
  },
  {
    name: "devices W7: what the Device has no more goes with the next write",
    status: { status: { twins: [{ propertyName: "gone", reported: { value: "1" } }] } },
    pending: none,
    patch: { twins: [] },
  },
  {
    name: "an offline report leaves when it was last on line",
    status: stored,
    pending: { twins: new Map(), state: readStateReport('{"device":{"name":"d","state":"offline"}}') },
    patch: { state: "offline" },
  },
];
for (const { name, status, pending, patch } of cases)
  test(name, () => assert.deepEqual(planStatus(device, status, pending), patch));

for (const [what, content] of [
  ["no JSON", "{"],
  ["no object", []],
  ["a number as a value", { twin: { t: { actual: { value: 1 } } } }],
  ["a huge value", { twin: { t: { actual: { value: "x".repeat(100_000) } } } }],
] as const)
  test(`a report that is ${what} is refused`, () =>
    assert.throws(() => readTwinReport(content), { code: "BadReport" }));

test("a property called __proto__ is only a property", () => {
  const twins = readTwinReport('{"twin":{"__proto__":{"actual":{"value":"1"}}}}');
  assert.deepEqual([...twins.keys()], ["__proto__"]);
});
