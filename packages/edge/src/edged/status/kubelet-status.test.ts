import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Container, ContainerStatus, Pod, PodSpec, PodStatus } from "@kedge/kube";
import { container, pod, record, runtime, sandbox } from "../pods/pod.test-data.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { withForeignConditions } from "./foreign-conditions.ts";
import { podStatus, type StatusFacts, untilOver } from "./pod-status.ts";
import { statusPatch } from "./status-patch.ts";

const facts: StatusFacts = {
  failures: new Map(),
  messages: new Map(),
  started: () => true,
  ready: () => true,
  hostIPs: ["192.0.2.1"],
  nowMs: Date.parse("2026-01-01T00:00:10Z"),
  verdict: undefined,
  over: false,
};
const condition = ({ conditions = [] }: PodStatus, type: string) => {
  const { status, reason } = conditions.find((one) => one.type === type) ?? {};
  return reason === undefined ? status : `${status} ${reason}`;
};
const containerOf = ({ containerStatuses = [] }: PodStatus, name = "app") =>
  containerStatuses.find((one) => one.name === name);
/** The status that follows on `before`. */
const next = (subject: Pod, runs: RuntimePod, before?: PodStatus, more: Partial<StatusFacts> = {}) =>
  podStatus(before === undefined ? subject : { ...subject, status: before }, runs, { ...facts, ...more });

describe("probes in statuses", () => {
  const running = runtime([record("app", "running")]);
  const cases: [started: boolean, ready: boolean, seen: [boolean, boolean], Ready: string][] = [
    [false, true, [false, false], "False ContainersNotReady"],
    [true, false, [true, false], "False ContainersNotReady"],
    [true, true, [true, true], "True"],
  ];
  for (const [started, ready, seen, expected] of cases)
    test(`started ${started}, ready ${ready}`, () => {
      const status = next(pod(), running, undefined, { started: () => started, ready: () => ready });
      assert.deepEqual([containerOf(status)?.started, containerOf(status)?.ready], seen);
      assert.equal(condition(status, "Ready"), expected);
      assert.equal(condition(status, "ContainersReady"), expected);
    });

  test("a plain init container that runs has started, and is ready once it has ended well", () => {
    const subject = pod({ initContainers: [container("init")] });
    const init = (state: "running" | "exited", exitCode = 0) =>
      next(subject, runtime([record("init", state, { exitCode })]), undefined, { ready: () => false })
        .initContainerStatuses?.[0];
    assert.deepEqual([init("running")?.started, init("running")?.ready], [true, false]);
    assert.deepEqual([init("exited")?.started, init("exited")?.ready], [false, true]);
    assert.equal(init("exited", 1)?.ready, false);
  });
});

describe("observedGeneration", () => {
  test("is the pod's generation, in the status and in each condition", () => {
    const status = next(pod({}, { generation: 3 }), runtime([record("app", "running")]));
    assert.equal(status.observedGeneration, 3);
    assert.ok(status.conditions?.every(({ observedGeneration }) => observedGeneration === 3));
    assert.match(statusPatch("u", {}, status) ?? "", /"observedGeneration":3/);
  });
  test("is absent where the API server has no generations of pods", () => {
    const status = next(pod(), runtime([record("app", "running")]));
    assert.equal(JSON.stringify(status).includes("observedGeneration"), false);
  });
});

describe("phase with containers' own restart policies", () => {
  const phaseOf = (spec: Partial<PodSpec>, exits: Record<string, number>, more: Partial<StatusFacts> = {}) => {
    const records = Object.entries(exits).map(([name, exitCode]) => record(name, "exited", { exitCode }));
    return next(pod(spec), runtime(records), undefined, more).phase;
  };
  const own = (name: string, facts: Partial<Container>) => container(name, facts);
  const rules = [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }];

  test("pod Never, container Always: it is about to run again", () =>
    assert.equal(
      phaseOf({ restartPolicy: "Never", containers: [own("app", { restartPolicy: "Always" })] }, { app: 1 }),
      "Running",
    ));
  test("pod Always, container Never: it has failed", () =>
    assert.equal(
      phaseOf({ restartPolicy: "Always", containers: [own("app", { restartPolicy: "Never" })] }, { app: 1 }),
      "Failed",
    ));
  test("a rule lets it run again", () => {
    const spec = {
      restartPolicy: "Never",
      containers: [own("app", { restartPolicy: "Never", restartPolicyRules: rules })],
    };
    assert.equal(phaseOf(spec, { app: 42 }), "Running");
    assert.equal(phaseOf(spec, { app: 1 }), "Failed");
  });
  test("one of two is about to run again: so is the pod", () => {
    const containers = [own("app", { restartPolicy: "OnFailure" }), own("b", {})];
    assert.equal(phaseOf({ restartPolicy: "Never", containers }, { app: 1, b: 0 }), "Running");
    assert.equal(phaseOf({ restartPolicy: "Never", containers }, { app: 0, b: 0 }), "Succeeded");
  });
  test("an init container whose rule restarts it keeps the pod pending", () => {
    const initContainers = [own("init", { restartPolicy: "Never", restartPolicyRules: rules })];
    assert.equal(phaseOf({ restartPolicy: "Never", initContainers }, { init: 42 }), "Pending");
    assert.equal(phaseOf({ restartPolicy: "Never", initContainers }, { init: 1 }), "Failed");
  });
});

describe("RestartAllContainers", () => {
  const rules = [{ action: "RestartAllContainers", exitCodes: { operator: "In", values: [42] } }];
  const source = container("app", { restartPolicy: "Never", restartPolicyRules: rules });
  const subject = pod({
    restartPolicy: "Never",
    initContainers: [container("init")],
    containers: [source, container("b")],
  });
  const ran = next(subject, runtime([record("b", "running"), record("app", "running"), record("init", "exited")]));

  test("is told of as a condition, from the cause's end until all are gone", () => {
    assert.equal(condition(ran, "AllContainersRestarting"), "False");
    const ended = next(subject, runtime([record("app", "exited", { exitCode: 42 }), record("b", "running")]), ran);
    assert.equal(condition(ended, "AllContainersRestarting"), "True RestartAllContainersStarted");
    assert.equal(ended.phase, "Running");
    const gone = next(subject, runtime([]), ended);
    assert.equal(condition(gone, "AllContainersRestarting"), "False");
    assert.equal(condition(gone, "Initialized"), "True");
    assert.equal(gone.phase, "Running");
    for (const name of ["app", "b"]) {
      const status = containerOf(gone, name);
      assert.equal(status?.state?.waiting?.reason, "RestartingAllContainers");
      assert.deepEqual(
        [status.lastState?.terminated?.reason, status.lastState?.terminated?.exitCode, status.restartCount],
        ["RestartingAllContainers", 137, 1],
      );
    }
  });
  test("pods without such a rule do not have the condition", () =>
    assert.equal(condition(next(pod(), runtime([])), "AllContainersRestarting"), undefined));
});

describe("what the runtime has lost", () => {
  test("an init container that was passed unseen counts as passed", () => {
    const subject = pod({ initContainers: [container("init")] });
    const [status] = next(subject, runtime([record("app", "running")])).initContainerStatuses ?? [];
    assert.deepEqual(
      [status?.state?.terminated?.reason, status?.state?.terminated?.exitCode, status?.ready],
      ["Completed", 0, true],
    );
  });
  test("a container that had ended still has", () => {
    const ended = next(pod({ restartPolicy: "OnFailure" }), runtime([record("app", "exited", { exitCode: 3 })]));
    const status = containerOf(next(pod({ restartPolicy: "OnFailure" }), runtime([]), ended));
    assert.equal(status?.state?.terminated?.exitCode, 3);
  });
  test("restarts are not forgotten", () => {
    const before = { containerStatuses: [{ name: "app", restartCount: 7, ready: true, image: "i", imageID: "" }] };
    assert.equal(containerOf(next(pod(), runtime([record("app", "running")]), before))?.restartCount, 7);
  });
});

describe("a pod that once was initialized", () => {
  test("stays so while its sandbox is made anew", () => {
    const subject = pod({ initContainers: [container("init")] });
    const ran = next(subject, runtime([record("app", "running"), record("init", "exited")]));
    assert.equal(condition(ran, "Initialized"), "True");
    const anew = runtime([record("app", "exited", { sandboxId: "old", exitCode: 137 })], [sandbox()]);
    assert.equal(condition(next(subject, anew, ran), "Initialized"), "True");
  });
});

describe("a verdict of the node", () => {
  const verdict = { phase: "Failed", reason: "Evicted", message: "m" } as const;
  const running = runtime([record("app", "running")]);
  const before = next(pod(), running);

  test("is told of once nothing runs any more; the conditions know before", () => {
    const during = next(pod(), running, before, { verdict });
    assert.deepEqual([during.phase, during.reason, during.message], ["Running", undefined, undefined]);
    assert.equal(condition(during, "Ready"), "False PodFailed");
    const after = next(pod(), runtime([record("app", "exited")], [sandbox({ ready: false })]), during, {
      verdict,
      over: true,
    });
    assert.deepEqual([after.phase, after.reason, after.message], ["Failed", "Evicted", "m"]);
  });
});

describe("others' conditions", () => {
  const gate = (status: string) => ({ type: "example.com/gate", status });
  const ours = next(pod(), runtime([record("app", "running")]));

  test("are taken from the cluster as they are there now", () => {
    const mixed = { ...ours, conditions: [...(ours.conditions ?? []), gate("False")] };
    const now = withForeignConditions(mixed, { conditions: [gate("True")] });
    assert.equal(condition(now, "example.com/gate"), "True");
    assert.equal(condition(withForeignConditions(mixed, {}), "example.com/gate"), undefined);
    assert.equal(condition(now, "Ready"), "True");
  });
  test("are never told by us", () => {
    const before = { ...ours, conditions: [...(ours.conditions ?? []), gate("True")] };
    const after = { ...ours, conditions: [...(ours.conditions ?? []), gate("False")] };
    assert.equal(statusPatch("u", before, after), undefined);
  });
});

describe("mounts in a container's status", () => {
  test("are those of its spec", () => {
    const volumeMounts = [
      { name: "a", mountPath: "/a" },
      { name: "b", mountPath: "/b", readOnly: true },
    ];
    const status = (runs: RuntimePod): ContainerStatus | undefined =>
      containerOf(next(pod({ containers: [container("app", { volumeMounts })] }), runs));
    const expected = [
      { name: "a", mountPath: "/a" },
      { name: "b", mountPath: "/b", readOnly: true, recursiveReadOnly: "Disabled" },
    ];
    assert.deepEqual(status(runtime([]))?.volumeMounts, expected);
    assert.deepEqual(status(runtime([record("app", "running")]))?.volumeMounts, expected);
  });

  test("are as strict as the runtime could make them", () => {
    const volumeMounts = [{ name: "a", mountPath: "/a", readOnly: true, recursiveReadOnly: "IfPossible" }];
    const strictness = (recursiveReadOnly: string[]) =>
      containerOf(
        next(
          pod({ containers: [container("app", { volumeMounts })] }),
          runtime([{ ...record("app", "running"), recursiveReadOnly }]),
        ),
      )?.volumeMounts?.[0]?.recursiveReadOnly;
    assert.equal(strictness([]), "Disabled");
    assert.equal(strictness(["/a"]), "Enabled");
  });
});

describe("a pod that is over", () => {
  const over = { over: true };
  const stopped = (records: RuntimePod["containers"]) => runtime(records, [sandbox({ ready: false })]);
  const reasons = ({ initContainerStatuses = [], containerStatuses = [] }: PodStatus) =>
    [...initContainerStatuses, ...containerStatuses].map(({ state }) => state?.terminated?.reason ?? "waits");

  test("whose container never began counts as failed, and so does the container", () => {
    const status = next(pod(), runtime([], []), undefined, over);
    assert.deepEqual([status.phase, ...reasons(status)], ["Failed", "ContainerStatusUnknown"]);
    assert.equal(containerOf(status)?.state?.terminated?.exitCode, 137);
  });
  test("in its init containers: those after wait for ever", () => {
    const spec = { initContainers: [container("one"), container("two")] };
    const status = next(pod(spec), stopped([record("one", "exited", { exitCode: 1 })]), undefined, over);
    assert.deepEqual([status.phase, ...reasons(status)], ["Failed", "Error", "waits", "waits"]);
  });
  test("whose init container was told to end, and did well: those after it never began", () => {
    const spec = { initContainers: [container("one")] };
    const before = next(pod(spec), runtime([record("one", "running")]));
    const status = next(pod(spec), stopped([record("one", "exited")]), before, over);
    assert.deepEqual([status.phase, ...reasons(status)], ["Failed", "Completed", "waits"]);
  });
  test("after its init containers: who has not said how it ended never will", () => {
    const spec = { initContainers: [container("one")], containers: [container("app"), container("b")] };
    const records = [record("app", "exited"), record("one", "exited")];
    const status = next(pod(spec), stopped(records), undefined, over);
    assert.deepEqual(reasons(status), ["Completed", "Completed", "ContainerStatusUnknown"]);
    assert.equal(status.initContainerStatuses?.[0]?.ready, true);
  });
});

describe("addresses", () => {
  const ipsOf = (ips: string[], hostIPs: string[]) =>
    next(pod(), runtime([], [sandbox({ ips })]), undefined, { hostIPs }).podIPs?.map(({ ip }) => ip);
  test("the node's family comes first, one of each", () => {
    assert.deepEqual(ipsOf(["fd00::2", "10.0.0.2", "10.0.0.3"], ["192.0.2.1"]), ["10.0.0.2", "fd00::2"]);
    assert.deepEqual(ipsOf(["10.0.0.2", "fd00::2"], ["2001:db8::1"]), ["fd00::2", "10.0.0.2"]);
    assert.deepEqual(ipsOf(["fd00::2"], ["192.0.2.1"]), ["fd00::2"]);
  });
});

describe("what newer runtimes tell of a container", () => {
  test("stands in its status", () => {
    const user = { uid: 1000, gid: 2000, supplementalGroups: [2000, 3000] };
    const status = containerOf(next(pod(), runtime([record("app", "running", { user, stopSignal: "SIGUSR1" })])));
    assert.deepEqual([status?.user, status?.stopSignal], [{ linux: user }, "SIGUSR1"]);
  });
});

describe("a pod that has come to its end", () => {
  test("is told of once it is cleaned up: until then all is said but that", () => {
    const ended = next(pod({ restartPolicy: "Never" }), runtime([record("app", "exited")]));
    assert.equal(ended.phase, "Succeeded");
    const held = untilOver(ended, "Running");
    assert.deepEqual([held.phase, condition(held, "Ready")], ["Running", "False PodCompleted"]);
    assert.equal(untilOver(ended, undefined).phase, "Pending");
    assert.equal(untilOver({ ...ended, reason: "r", message: "m" }, "Running").reason, undefined);
  });
  test("because it was deleted before it began: nobody says that its containers failed", () => {
    const status = next(pod(), runtime([], []), undefined, { over: true });
    assert.deepEqual([status.phase, condition(status, "Ready")], ["Failed", "False ContainersNotReady"]);
  });
});
