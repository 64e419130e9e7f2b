import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Container, Pod, ResourceRequirements } from "@kedge/kube";
import { containerHash } from "../runtime/container-hash.ts";
import { emptyRuntimePod, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import { judgeResize, type ResizeFacts } from "./judge-resize.ts";
import { planResize } from "./plan-resize.ts";
import {
  allocationOf,
  changedResources,
  changesPodLevel,
  isSameAllocation,
  largerOf,
  withAllocation,
  withPodLevel,
} from "./pod-allocation.ts";

const requests = (cpu: string, memory = "32Mi"): ResourceRequirements => ({ requests: { cpu, memory } });
const both = (cpu: string, memory: string): ResourceRequirements => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});

function pod(
  resources: ResourceRequirements,
  more: Partial<Container> = {},
  annotations: Record<string, string> = {},
): Pod {
  const container: Container = { name: "a", image: "i", resources, ...more };
  return { metadata: { name: "p", uid: "u", annotations }, spec: { containers: [container] } };
}

describe("judgeResize", () => {
  const node: ResizeFacts = { others: [], allocatable: { cpu: "4", memory: "1Gi" }, exclusiveCpus: false };
  const busy: ResizeFacts = { ...node, others: [pod(requests("3", "512Mi"))] };
  const cases = [
    { name: "gives what fits", to: requests("4"), facts: node, reason: undefined },
    { name: "never gives more than there is", to: requests("5"), facts: node, reason: "Infeasible" },
    { name: "nor more memory", to: requests("1", "2Gi"), facts: node, reason: "Infeasible" },
    { name: "lets wait who must share", to: requests("1500m"), facts: busy, reason: "Deferred" },
    {
      name: "gives less, however full the node is",
      to: requests("100m"),
      facts: { ...busy, allocatable: { cpu: "1" } },
      reason: undefined,
    },
    {
      name: "gives what it knows no bound of",
      to: requests("9"),
      facts: { ...node, allocatable: {} },
      reason: undefined,
    },
    {
      name: "changes no CPUs that are a pod's own",
      from: both("1", "32Mi"),
      to: both("2", "32Mi"),
      facts: { ...node, exclusiveCpus: true },
      reason: "Infeasible",
    },
    {
      name: "but its memory",
      from: both("1", "32Mi"),
      to: both("1", "64Mi"),
      facts: { ...node, exclusiveCpus: true },
      reason: undefined,
    },
    { name: "and those of others", to: requests("2"), facts: { ...node, exclusiveCpus: true }, reason: undefined },
  ];
  for (const { name, from = requests("1"), to, facts, reason } of cases)
    test(name, () => assert.equal(judgeResize(pod(to), pod(from), facts)?.reason, reason));

  test("leaves static pods as their files have them", () => {
    const desired = pod(requests("2"), {}, { "kubernetes.io/config.source": "file" });
    assert.equal(judgeResize(desired, desired, node)?.reason, "Infeasible");
  });
});

describe("what a pod was given", () => {
  test("stands in for what its spec asks for", () => {
    const desired = pod(requests("2"), { resizePolicy: [] });
    const given = withAllocation(desired, { a: requests("1"), gone: requests("9") });
    assert.deepEqual(given.spec?.containers, [{ name: "a", image: "i", resizePolicy: [], resources: requests("1") }]);
    assert.equal(withAllocation(desired, undefined), desired);
    assert.deepEqual(withAllocation(desired, {}), desired);
    assert.deepEqual(withAllocation(desired, JSON.parse('{"__proto__":{"a":{}}}') as object as never), desired);
  });

  test("is the same however it is written, and however little else changes", () => {
    assert.deepEqual(changedResources({ limits: { cpu: "0.5" } }, { limits: { cpu: "500m" } }), []);
    assert.deepEqual(changedResources({ limits: { cpu: "1" } }, { limits: { cpu: "1", "x/y": "1" } }), []);
    assert.deepEqual(changedResources(undefined, { requests: { cpu: "1", memory: "1" } }), ["cpu", "memory"]);
    assert.equal(isSameAllocation({ a: requests("1") }, { a: requests("1"), b: {} }), true);
    assert.equal(isSameAllocation({ a: requests("1") }, { a: requests("1"), b: requests("1") }), false);
  });

  test("includes sidecars, and not containers that only prepare", () => {
    const init: Container[] = [
      { name: "sidecar", restartPolicy: "Always", resources: requests("1") },
      { name: "prepare", resources: requests("9") },
    ];
    const { spec, ...rest } = pod(requests("2"));
    const whole: Pod = { ...rest, spec: { ...spec, containers: spec?.containers ?? [], initContainers: init } };
    assert.deepEqual(Object.keys(allocationOf(whole)), ["sidecar", "a"]);
    const given = withAllocation(whole, { sidecar: requests("3"), prepare: requests("0") });
    assert.deepEqual(
      given.spec?.initContainers?.map(({ resources }) => resources),
      [requests("3"), requests("9")],
    );
  });

  test("includes what the pod has as a whole", () => {
    const { spec, ...rest } = pod(requests("1"));
    const whole = (cpu: string): Pod => ({
      ...rest,
      spec: { containers: spec?.containers ?? [], resources: requests(cpu) },
    });
    const [before, after] = [allocationOf(whole("1")), allocationOf(whole("2"))];
    assert.equal(isSameAllocation(before, after), false);
    assert.equal(changesPodLevel(before, after), true);
    assert.deepEqual(withAllocation(whole("2"), before).spec?.resources, requests("1"));
    assert.equal(changesPodLevel(withPodLevel(before, after), after), false);
  });

  test("the pod's cgroup is as wide as the wider of both, and unlimited if one is", () => {
    const wide = largerOf({ a: both("1", "64Mi") }, { a: { requests: { cpu: "2" }, limits: { memory: "32Mi" } } });
    assert.deepEqual(wide, { a: { requests: { cpu: "2", memory: "64Mi" }, limits: { memory: "64Mi" } } });
  });
});

describe("planResize", () => {
  const running = (name: string, state: RuntimeContainer["state"] = "running"): RuntimePod => {
    const record = {
      id: "1",
      sandboxId: "s",
      name,
      state,
      hash: containerHash({ name, image: "i" }),
    } as RuntimeContainer;
    return { ...emptyRuntimePod("u", "d", "p"), containers: [record] };
  };
  const restart = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];
  const cases = [
    { name: "changes what runs", to: requests("2"), runtime: running("a"), updates: 1, restarts: 0 },
    {
      name: "leaves alone what is as it shall be",
      to: requests("1000m"),
      runtime: running("a"),
      updates: 0,
      restarts: 0,
    },
    {
      name: "leaves alone what does not run",
      to: requests("2"),
      runtime: running("a", "exited"),
      updates: 0,
      restarts: 0,
    },
    {
      name: "restarts who wants it for this resource",
      to: requests("1", "64Mi"),
      resizePolicy: restart,
      runtime: running("a"),
      updates: 0,
      restarts: 1,
    },
    {
      name: "and not for another",
      to: requests("2"),
      resizePolicy: restart,
      runtime: running("a"),
      updates: 1,
      restarts: 0,
    },
  ];
  for (const { name, to, resizePolicy = [], runtime, updates, restarts } of cases)
    test(name, () => {
      const plan = planResize(pod(to, { resizePolicy }), runtime, { a: requests("1") });
      assert.deepEqual([plan.updates.length, plan.restarts.length], [updates, restarts]);
    });
});
