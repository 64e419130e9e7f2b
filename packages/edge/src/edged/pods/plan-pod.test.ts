import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Pod, PodSpec } from "@kedge/kube";
import type { RuntimeContainer, RuntimePod } from "../runtime/runtime-pod.ts";
import { noProbes } from "./container-verdict.ts";
import { type PodPlan, planPod } from "./plan-pod.ts";
import { container, pod, record, runtime, sandbox } from "./pod.test-data.ts";

/** A plan in short. */
function summary(plan: PodPlan) {
  return {
    killPod: plan.killPod,
    create: plan.createSandbox?.attempt,
    kills: plan.kills.map((kill) => kill.container.name),
    starts: plan.starts.map(({ name }) => name),
  };
}

const idle = { killPod: false, create: undefined, kills: [] as string[], starts: [] as string[] };

describe("the restart table of edge-runtime §2.8", () => {
  type Row = [state: string, record: RuntimeContainer | undefined, always: string, onFailure: string, never: string];
  const rows: Row[] = [
    ["no record", undefined, "start", "start", "start"],
    ["running", record("app", "running"), "keep", "keep", "keep"],
    ["running, image changed", record("app", "running", { hash: "other" }), "kill+start", "kill+start", "kill+start"],
    ["exited 0", record("app", "exited"), "start", "done", "done"],
    ["exited 1", record("app", "exited", { exitCode: 1 }), "start", "start", "done"],
    ["unknown", record("app", "unknown"), "kill+start", "kill+start", "kill+start"],
    ["created", record("app", "created"), "start", "start", "start"],
  ];
  const outcome = (plan: PodPlan) => {
    if (plan.killPod) return "done";
    const parts = [plan.kills.length > 0 ? "kill" : "", plan.starts.length > 0 ? "start" : ""].filter(Boolean);
    return parts.join("+") || "keep";
  };
  for (const [state, one, always, onFailure, never] of rows)
    for (const [restartPolicy, expected] of Object.entries({ Always: always, OnFailure: onFailure, Never: never }))
      test(`${state}, policy ${restartPolicy}: ${expected}`, () => {
        const plan = planPod(pod({ restartPolicy }), runtime(one === undefined ? [] : [one]));
        assert.equal(outcome(plan), expected);
      });

  for (const [restartPolicy, expected] of Object.entries({
    Always: "kill+start",
    OnFailure: "kill+start",
    Never: "kill",
  }))
    test(`failed liveness probe, policy ${restartPolicy}: ${expected}`, () => {
      const probes = { ...noProbes, liveness: () => false };
      const plan = planPod(pod({ restartPolicy }), runtime([record("app", "running")]), probes);
      const kills = plan.kills.length > 0 || plan.killPod; // of the only container, or of all that is left
      assert.equal([kills && "kill", plan.starts.length > 0 && "start"].filter(Boolean).join("+"), expected);
    });

  test("a pod that is being deleted starts nothing", () => {
    const dying = pod({}, { deletionTimestamp: "2026-01-01T00:00:00Z" });
    assert.deepEqual(planPod(dying, runtime([record("app", "exited")])).starts, []);
  });
});

describe("the sandbox", () => {
  const cases: { name: string; spec?: Partial<PodSpec>; runtime: RuntimePod; plan: object }[] = [
    {
      name: "is made for a new pod",
      runtime: runtime([], []),
      plan: { ...idle, killPod: true, create: 0, starts: ["app"] },
    },
    {
      name: "that died is made anew, with all containers",
      runtime: runtime([record("app", "exited")], [sandbox({ ready: false })]),
      plan: { ...idle, killPod: true, create: 1, starts: ["app"] },
    },
    {
      name: "without an address is made anew",
      runtime: runtime([], [sandbox({ ips: [], attempt: 2 })]),
      plan: { ...idle, killPod: true, create: 3, starts: ["app"] },
    },
    {
      name: "needs no address on the host's network",
      spec: { hostNetwork: true },
      runtime: runtime([record("app", "running")], [sandbox({ ips: [], hostNetwork: true })]),
      plan: idle,
    },
    {
      name: "of the other network is made anew",
      spec: { hostNetwork: true },
      runtime: runtime([record("app", "running")]),
      plan: { ...idle, killPod: true, create: 1, starts: ["app"] },
    },
    {
      name: "is made anew when two are ready",
      runtime: runtime([], [sandbox({ id: "sb1", attempt: 1 }), sandbox()]),
      plan: { ...idle, killPod: true, create: 2, starts: ["app"] },
    },
    {
      name: "is not made anew for a pod that runs once",
      spec: { restartPolicy: "Never" },
      runtime: runtime([record("app", "exited", { exitCode: 1 })], [sandbox({ ready: false })]),
      plan: { ...idle, killPod: true },
    },
    {
      name: "is not made anew when all have succeeded",
      spec: { restartPolicy: "OnFailure" },
      runtime: runtime([record("app", "exited")], [sandbox({ ready: false })]),
      plan: { ...idle, killPod: true },
    },
    {
      name: "is made anew only for those that have not succeeded",
      spec: { restartPolicy: "OnFailure", containers: [container("app"), container("more")] },
      runtime: runtime(
        [record("app", "exited"), record("more", "exited", { exitCode: 1 })],
        [sandbox({ ready: false })],
      ),
      plan: { ...idle, killPod: true, create: 1, starts: ["more"] },
    },
    {
      name: "that is new begins with the first init container",
      spec: { initContainers: [container("init"), container("init2")] },
      runtime: runtime([record("app", "exited")], [sandbox({ ready: false })]),
      plan: { ...idle, killPod: true, create: 1, starts: ["init"] },
    },
  ];
  for (const { name, spec, runtime: state, plan } of cases)
    test(name, () => assert.deepEqual(summary(planPod(pod(spec), state)), plan));
});

describe("init containers", () => {
  const sidecar = container("side", { restartPolicy: "Always" });
  const two = { initContainers: [container("i1"), container("i2")] };
  const withSidecar = { initContainers: [container("i1"), sidecar, container("i3")] };
  const cases: { name: string; spec: Partial<PodSpec>; records: RuntimeContainer[]; plan: object }[] = [
    { name: "the first comes first", spec: two, records: [], plan: { ...idle, starts: ["i1"] } },
    { name: "one that runs is waited for", spec: two, records: [record("i1", "running")], plan: idle },
    { name: "the next follows", spec: two, records: [record("i1", "exited")], plan: { ...idle, starts: ["i2"] } },
    {
      name: "after the last, the pod's containers start",
      spec: two,
      records: [record("i2", "exited"), record("i1", "exited")],
      plan: { ...idle, starts: ["app"] },
    },
    {
      name: "after the last, the record of the first may be gone",
      spec: two,
      records: [record("i2", "exited")],
      plan: { ...idle, starts: ["app"] },
    },
    {
      name: "one that failed is tried again",
      spec: two,
      records: [record("i1", "exited", { exitCode: 1 })],
      plan: { ...idle, starts: ["i1"] },
    },
    {
      name: "one that failed for good ends the pod",
      spec: { ...two, restartPolicy: "Never" },
      records: [record("i1", "exited", { exitCode: 1 })],
      plan: { ...idle, killPod: true },
    },
    {
      name: "none runs again once the pod's containers have been made",
      spec: two,
      records: [record("app", "running")],
      plan: idle,
    },
    {
      name: "those of an older sandbox do not count",
      spec: two,
      records: [record("i2", "exited", { sandboxId: "old" }), record("i1", "exited", { sandboxId: "old" })],
      plan: { ...idle, starts: ["i1"] },
    },
    {
      name: "a sidecar that has started lets the next one start",
      spec: withSidecar,
      records: [record("side", "running"), record("i1", "exited")],
      plan: { ...idle, starts: ["i3"] },
    },
    {
      name: "a sidecar with a startup probe is waited for",
      spec: { initContainers: [{ ...sidecar, startupProbe: {} }, container("i2")] },
      records: [record("side", "running")],
      plan: idle,
    },
    {
      name: "a sidecar that died is started again while others initialize",
      spec: withSidecar,
      records: [record("i3", "running"), record("side", "exited"), record("i1", "exited")],
      plan: { ...idle, starts: ["side"] },
    },
    {
      name: "a sidecar that died is started again beside the pod's containers",
      spec: withSidecar,
      records: [record("app", "running"), record("i3", "exited"), record("side", "exited", { exitCode: 1 })],
      plan: { ...idle, starts: ["side"] },
    },
    {
      name: "a sidecar does not keep a pod whose containers have ended",
      spec: { ...withSidecar, restartPolicy: "Never" },
      records: [record("app", "exited"), record("side", "running")],
      plan: { ...idle, killPod: true },
    },
  ];
  for (const { name, spec, records, plan } of cases)
    test(name, () => assert.deepEqual(summary(planPod(pod(spec), runtime(records))), plan));
});

test("the newest record counts", () => {
  const spec: Pod = pod({ restartPolicy: "OnFailure" });
  const records = [record("app", "exited", { id: "b" }), record("app", "exited", { id: "a", exitCode: 1 })];
  assert.deepEqual(summary(planPod(spec, runtime(records))), { ...idle, killPod: true });
});
