import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Container, PodSpec } from "@kedge/kube";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { planPod } from "./plan-pod.ts";
import { container, pod, record, runtime } from "./pod.test-data.ts";
import { containersToReset, restartsAfter, restartsAll } from "./restart-policy.ts";

const rule = (action: string, operator: "In" | "NotIn", ...values: number[]) => ({
  action,
  exitCodes: { operator, values },
});

describe("whether a container runs again", () => {
  const cases: { name: string; facts?: Partial<Container>; pod: string; code: number; again: boolean }[] = [
    { name: "pod Always, ended well", pod: "Always", code: 0, again: true },
    { name: "pod OnFailure, ended well", pod: "OnFailure", code: 0, again: false },
    { name: "pod OnFailure, failed", pod: "OnFailure", code: 1, again: true },
    { name: "pod Never, failed", pod: "Never", code: 1, again: false },
    { name: "own Never wins over Always", facts: { restartPolicy: "Never" }, pod: "Always", code: 1, again: false },
    { name: "own Always wins over Never", facts: { restartPolicy: "Always" }, pod: "Never", code: 0, again: true },
    {
      name: "own OnFailure wins over Never",
      facts: { restartPolicy: "OnFailure" },
      pod: "Never",
      code: 1,
      again: true,
    },
    {
      name: "a rule for its code wins over its policy",
      facts: { restartPolicy: "Never", restartPolicyRules: [rule("Restart", "In", 42)] },
      pod: "Never",
      code: 42,
      again: true,
    },
    {
      name: "a rule for another code does not",
      facts: { restartPolicy: "Never", restartPolicyRules: [rule("Restart", "In", 42)] },
      pod: "Always",
      code: 43,
      again: false,
    },
    {
      name: "a rule for all codes but one",
      facts: { restartPolicy: "Never", restartPolicyRules: [rule("Restart", "NotIn", 0)] },
      pod: "Never",
      code: 7,
      again: true,
    },
    {
      name: "a rule of a kind that nobody knows says nothing",
      facts: {
        restartPolicy: "Never",
        restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "Odd", values: [7] } }],
      },
      pod: "Never",
      code: 7,
      again: false,
    },
  ];
  for (const { name, facts, pod: restartPolicy, code, again } of cases)
    test(name, () =>
      assert.equal(restartsAfter(container("app", facts), { containers: [], restartPolicy }, code), again),
    );
});

describe("RestartAllContainers", () => {
  const source = container("app", {
    restartPolicy: "Never",
    restartPolicyRules: [rule("RestartAllContainers", "In", 42)],
  });
  const spec: PodSpec = {
    restartPolicy: "Never",
    initContainers: [container("init"), container("side", { restartPolicy: "Always" })],
    containers: [source, container("b")],
  };
  const others = [record("b", "running"), record("side", "running"), record("init", "exited")];
  const broken = runtime([record("app", "exited", { exitCode: 42 }), ...others]);
  const resets = (subject: RuntimePod, status = {}) =>
    planPod({ ...pod(spec), status }, subject).resets.map(({ name }) => name);

  test("a container that ends with a named code takes all others along, itself last", () => {
    assert.equal(restartsAll(pod(spec), broken), true);
    assert.deepEqual(resets(broken), ["b", "init", "side", "app"]);
  });
  test("another code does not", () => {
    const ended = runtime([record("app", "exited", { exitCode: 1 }), ...others]);
    assert.equal(restartsAll(pod(spec), ended), false);
    assert.deepEqual(resets(ended), []);
  });
  test("goes on after the agent restarted, also when the cause is gone already", () => {
    const conditions = [{ type: "AllContainersRestarting", status: "True" }];
    assert.deepEqual(resets(runtime(others), { conditions }), ["b", "init", "side"]);
  });
  test("starts with the first init container once all are gone, in the same sandbox", () => {
    const conditions = [{ type: "AllContainersRestarting", status: "True" }];
    const plan = planPod({ ...pod(spec), status: { conditions } }, runtime([]));
    assert.deepEqual(
      [plan.killPod, plan.createSandbox, plan.starts.map(({ name }) => name)],
      [false, undefined, ["init"]],
    );
  });
  test("removes all runs of a container", () => {
    const runs = [record("app", "exited", { id: "2", exitCode: 42 }), record("app", "exited", { id: "1" })];
    assert.deepEqual(
      containersToReset(pod(spec), runtime(runs)).map(({ id }) => id),
      ["1", "2"],
    );
  });
  test("a pod without such rules is never asked", () => {
    const conditions = [{ type: "AllContainersRestarting", status: "True" }];
    assert.equal(restartsAll({ ...pod(), status: { conditions } }, runtime(others)), false);
  });
});

describe("init containers", () => {
  const init = (facts: Partial<Container>): PodSpec => ({
    restartPolicy: "Never",
    initContainers: [container("init", facts)],
    containers: [container("app")],
  });
  const failed = runtime([record("init", "exited", { exitCode: 3 })]);
  test("one with a rule for its code runs again although its pod never does", () => {
    const plan = planPod(pod(init({ restartPolicy: "Never", restartPolicyRules: [rule("Restart", "In", 3)] })), failed);
    assert.deepEqual([plan.killPod, plan.starts.map(({ name }) => name)], [false, ["init"]]);
  });
  test("one without fails the pod", () => assert.equal(planPod(pod(init({})), failed).killPod, true));
  test("a sidecar that fails its liveness probe is told of as an init container", () => {
    const probes = { liveness: (id: string) => id !== "init-0", startup: () => true };
    const spec = init({ restartPolicy: "Always" });
    const plan = planPod(pod(spec), runtime([record("app", "running"), record("init", "running")]), probes);
    assert.deepEqual(
      plan.kills.filter(({ container: { name } }) => name === "init").map(({ message, failed: why }) => [message, why]),
      [["Init container init failed liveness probe", "liveness"]],
    );
  });
});
