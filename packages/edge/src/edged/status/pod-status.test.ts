import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ContainerStatus, Pod, PodSpec, PodStatus } from "@kedge/kube";
import { container, pod, record, runtime, sandbox } from "../pods/pod.test-data.ts";
import type { RuntimeContainer, RuntimePod } from "../runtime/runtime-pod.ts";
import { podStatus, type StatusFacts } from "./pod-status.ts";

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
const exited = (exitCode = 0) => record("app", "exited", { exitCode });
const conditionsOf = ({ conditions = [] }: PodStatus) =>
  Object.fromEntries(
    conditions.map(({ type, status, reason }) => [type, reason === undefined ? status : `${status} ${reason}`]),
  );

describe("phase", () => {
  const waitsAfter = (exitCode: number): Partial<StatusFacts> & { records: RuntimeContainer[] } => ({
    records: [exited(exitCode)],
    failures: new Map([["app", { reason: "CrashLoopBackOff", message: "" }]]),
  });
  const init: Partial<PodSpec> = { initContainers: [container("init")] };
  const initRecord = (state: RuntimeContainer["state"], exitCode = 0) => record("init", state, { exitCode });
  const cases: {
    name: string;
    spec?: Partial<PodSpec>;
    records: RuntimeContainer[];
    facts?: Partial<StatusFacts>;
    phase: string;
  }[] = [
    { name: "nothing made yet", records: [], phase: "Pending" },
    { name: "created", records: [record("app", "created")], phase: "Pending" },
    { name: "running", records: [record("app", "running")], phase: "Running" },
    {
      name: "one of two runs",
      spec: { containers: [container("app"), container("b")] },
      records: [record("app", "running")],
      phase: "Pending",
    },
    {
      name: "one runs, one has ended",
      spec: { containers: [container("app"), container("b")], restartPolicy: "Never" },
      records: [record("app", "running"), record("b", "exited")],
      phase: "Running",
    },
    { name: "ended well, Never", spec: { restartPolicy: "Never" }, records: [exited()], phase: "Succeeded" },
    { name: "ended well, OnFailure", spec: { restartPolicy: "OnFailure" }, records: [exited()], phase: "Succeeded" },
    { name: "ended well, Always", records: [exited()], phase: "Running" },
    { name: "failed, Never", spec: { restartPolicy: "Never" }, records: [exited(1)], phase: "Failed" },
    { name: "failed, OnFailure", spec: { restartPolicy: "OnFailure" }, records: [exited(1)], phase: "Running" },
    { name: "waits in CrashLoopBackOff", ...waitsAfter(1), facts: waitsAfter(1), phase: "Running" },
    { name: "init runs", spec: init, records: [initRecord("running")], phase: "Pending" },
    { name: "init failed, Always", spec: init, records: [initRecord("exited", 1)], phase: "Pending" },
    {
      name: "init failed, Never",
      spec: { ...init, restartPolicy: "Never" },
      records: [initRecord("exited", 1)],
      phase: "Failed",
    },
    {
      name: "init done, app runs",
      spec: init,
      records: [record("app", "running"), initRecord("exited")],
      phase: "Running",
    },
    { name: "stopped for good after success", records: [exited()], facts: { over: true }, phase: "Succeeded" },
    { name: "stopped for good by SIGTERM", records: [exited(143)], facts: { over: true }, phase: "Failed" },
    { name: "stopped for good before it began", records: [], facts: { over: true }, phase: "Failed" },
    {
      name: "past its deadline, but a container still runs",
      records: [record("app", "running")],
      facts: { verdict: { phase: "Failed", reason: "DeadlineExceeded", message: "" } },
      phase: "Pending", // it was never reported as anything else
    },
  ];
  for (const { name, spec, records, facts: more, phase } of cases)
    test(`${name}: ${phase}`, () => {
      const subject = pod({ restartPolicy: "Always", ...spec });
      assert.equal(podStatus(subject, runtime(records), { ...facts, ...more }).phase, phase);
    });

  test("there is no way back from a terminal phase", () => {
    const over: Pod = { ...pod(), status: { phase: "Failed", reason: "Evicted", message: "m" } };
    const status = podStatus(over, runtime([record("app", "running")]), facts);
    assert.deepEqual([status.phase, status.reason, status.message], ["Failed", "Evicted", "m"]);
  });
});

describe("conditions", () => {
  test("of a pod that waits for its image", () => {
    const status = podStatus(pod(), runtime([]), facts);
    assert.deepEqual(conditionsOf(status), {
      PodReadyToStartContainers: "True",
      Initialized: "True",
      Ready: "False ContainersNotReady",
      ContainersReady: "False ContainersNotReady",
      PodScheduled: "True",
    });
    const ready = status.conditions?.find(({ type }) => type === "Ready");
    assert.equal(ready?.message, "containers with unready status: [app]");
  });

  test("of a pod that initializes", () => {
    const status = podStatus(
      pod({ initContainers: [container("a"), container("b")] }),
      runtime([record("a", "exited")]),
      facts,
    );
    const initialized = status.conditions?.find(({ type }) => type === "Initialized");
    assert.equal(initialized?.reason, "ContainersNotInitialized");
    assert.equal(initialized?.message, "containers with incomplete status: [b]");
  });

  test("of a pod that has completed", () => {
    const status = podStatus(pod({ restartPolicy: "Never" }), runtime([exited()], [sandbox({ ready: false })]), facts);
    assert.deepEqual(conditionsOf(status), {
      PodReadyToStartContainers: "False",
      Initialized: "True PodCompleted",
      Ready: "False PodCompleted",
      ContainersReady: "False PodCompleted",
      PodScheduled: "True",
    });
  });

  test("of a readiness gate that nobody has opened", () => {
    const gated = pod({ readinessGates: [{ conditionType: "example.com/up" }] });
    const status = podStatus(gated, runtime([record("app", "running")]), facts);
    assert.equal(conditionsOf(status)["Ready"], "False ReadinessGatesNotReady");
    assert.equal(conditionsOf(status)["ContainersReady"], "True");
  });

  test("of others are kept, and times move only with the status", () => {
    const old = "2025-01-01T00:00:00Z";
    const conditions = [
      { type: "Ready", status: "True", lastTransitionTime: old },
      { type: "Initialized", status: "False", lastTransitionTime: old },
      { type: "example.com/up", status: "True" },
    ];
    const status = podStatus({ ...pod(), status: { conditions } }, runtime([record("app", "running")]), facts);
    const times = Object.fromEntries(
      (status.conditions ?? []).map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    );
    assert.equal(times["Ready"], old);
    assert.equal(times["Initialized"], "2026-01-01T00:00:10Z");
    assert.ok("example.com/up" in times);
  });
});

describe("container statuses", () => {
  const one = (subject: Pod, state: RuntimePod, more: Partial<StatusFacts> = {}): ContainerStatus => {
    const [status] = podStatus(subject, state, { ...facts, ...more }).containerStatuses ?? [];
    assert.ok(status);
    return status;
  };

  test("ended, with its message", () => {
    const status = one(pod({ restartPolicy: "Never" }), runtime([exited(7)]), {
      messages: new Map([["app-0", "said"]]),
    });
    assert.deepEqual(status.state, {
      terminated: {
        exitCode: 7,
        reason: "Error",
        message: "said",
        startedAt: "1970-01-01T00:00:02Z",
        finishedAt: "1970-01-01T00:00:03Z",
        containerID: "containerd://app-0",
      },
    });
  });

  test("runs again: the former end is the last state", () => {
    const records = [record("app", "running", { id: "app-1", restartCount: 1 }), exited(2)];
    const status = one(pod(), runtime(records));
    assert.equal(status.restartCount, 1);
    assert.equal(status.lastState?.terminated?.exitCode, 2);
    assert.ok(status.state?.running);
  });

  test("waits with the reason why it could not be started", () => {
    const failures = new Map([["app", { reason: "ImagePullBackOff", message: "m" }]]);
    const status = one(pod(), runtime([]), { failures });
    assert.deepEqual(status.state, { waiting: { reason: "ImagePullBackOff", message: "m" } });
  });

  test("a failure to start does not hide that a pod which runs once has ended", () => {
    const failures = new Map([["app", { reason: "CrashLoopBackOff", message: "m" }]]);
    assert.ok(one(pod({ restartPolicy: "Never" }), runtime([exited(1)]), { failures }).state?.terminated);
  });

  test("that ran and is not there any more has ended, nobody knows how", () => {
    const before: Partial<ContainerStatus> = { name: "app", restartCount: 2, state: { running: {} } };
    const subject: Pod = { ...pod(), status: { phase: "Running", containerStatuses: [before as ContainerStatus] } };
    const status = one(subject, runtime([], []));
    assert.equal(status.restartCount, 3);
    assert.deepEqual(status.state, { waiting: { reason: "ContainerCreating" } });
    assert.equal(status.lastState?.terminated?.reason, "ContainerStatusUnknown");
    assert.equal(podStatus(subject, runtime([], []), facts).phase, "Running");
  });

  test("keeps a message that the agent cannot read any more", () => {
    const terminated = { exitCode: 1, message: "said", containerID: "containerd://app-0" };
    const before = { name: "app", restartCount: 0, containerID: "containerd://app-0", state: { terminated } };
    const subject: Pod = {
      ...pod({ restartPolicy: "Never" }),
      status: { containerStatuses: [before as ContainerStatus] },
    };
    assert.equal(one(subject, runtime([exited(1)])).state?.terminated?.message, "said");
  });

  test("waits for init containers", () => {
    const subject = pod({ initContainers: [container("init")] });
    assert.equal(one(subject, runtime([])).state?.waiting?.reason, "PodInitializing");
  });

  test("are sorted by name, those of init containers are not", () => {
    const subject = pod({
      containers: [container("b"), container("a")],
      initContainers: [container("z"), container("y")],
    });
    const status = podStatus(subject, runtime([]), facts);
    assert.deepEqual(
      status.containerStatuses?.map(({ name }) => name),
      ["a", "b"],
    );
    assert.deepEqual(
      status.initContainerStatuses?.map(({ name }) => name),
      ["z", "y"],
    );
  });
});

describe("addresses", () => {
  test("are the sandbox'", () => {
    const status = podStatus(pod(), runtime([], [sandbox({ ips: ["10.0.0.9", "fd00::9"] })]), facts);
    assert.equal(status.podIP, "10.0.0.9");
    assert.deepEqual(status.podIPs, [{ ip: "10.0.0.9" }, { ip: "fd00::9" }]);
  });

  test("are the node's on its network", () => {
    const status = podStatus(pod({ hostNetwork: true }), runtime([], [sandbox({ ips: [], hostNetwork: true })]), facts);
    assert.equal(status.podIP, "192.0.2.1");
  });

  test("stay after the sandbox has stopped", () => {
    const subject: Pod = { ...pod(), status: { podIPs: [{ ip: "10.0.0.9" }] } };
    assert.equal(podStatus(subject, runtime([], [sandbox({ ready: false, ips: [] })]), facts).podIP, "10.0.0.9");
  });
});

test("whom the node ends for its own sake has a condition that says so, and keeps it", () => {
  const verdict = { phase: "Failed", reason: "Evicted", message: "The node was low. ", isDisruption: true } as const;
  const subject: Pod = { ...pod(), metadata: { ...pod().metadata, generation: 2 } };
  const targetOf = (of: Pod, nowMs: number) =>
    podStatus(of, runtime([]), { ...facts, nowMs, verdict, over: true }).conditions?.filter(
      ({ type }) => type === "DisruptionTarget",
    );
  const first = targetOf(subject, 1_000);
  assert.deepEqual(first, [
    {
      type: "DisruptionTarget",
      observedGeneration: 2,
      status: "True",
      reason: "TerminationByKubelet",
      message: "The node was low. ",
      lastTransitionTime: "1970-01-01T00:00:01Z",
    },
  ]);
  assert.deepEqual(targetOf({ ...subject, status: { conditions: first ?? [] } }, 9_000), first);
});
