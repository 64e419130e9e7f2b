import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { silentLogger, systemClock } from "@kedge/runtime";
import type { EventRecorder } from "../events/event-recorder.ts";
import { container, pod } from "./pod.test-data.ts";
import { PodAdmission, type PodAdmissionDeps } from "./pod-admission.ts";

function asking(name: string, cpu: string, more: { priority?: number; created?: string } = {}): Pod {
  const { priority, created } = more;
  const containers = [container("c", { resources: { requests: { cpu } } })];
  const metadata = { name, uid: name, ...(created !== undefined && { creationTimestamp: created }) };
  return pod({ containers, ...(priority !== undefined && { priority }) }, metadata);
}

class Node {
  readonly taken: Pod[] = [];
  readonly events: string[] = [];
  readonly released: string[] = [];
  readonly ended: string[] = [];
  readonly admission: PodAdmission;

  constructor(more: Partial<PodAdmissionDeps> = {}) {
    const say = ({ metadata }: Pod, reason: string, message: string) =>
      void this.events.push(`${metadata?.name} ${reason}: ${message}`);
    this.admission = new PodAdmission({
      clock: systemClock,
      logger: silentLogger,
      events: { warn: say } as unknown as EventRecorder,
      facts: () => ({
        others: this.taken,
        allocatable: { cpu: "1", memory: "1Gi", pods: "9" },
        maxPods: 9,
        nodeName: "n",
        node: undefined,
        allowedUnsafeSysctls: [],
      }),
      refuse: () => undefined,
      allocate: async () => {},
      release: async (uid) => void this.released.push(uid),
      end: async (victim) => {
        this.ended.push(victim.metadata?.name ?? "");
        this.taken.splice(this.taken.indexOf(victim), 1);
      },
      ...more,
    });
  }

  async admit(given: Pod, wasAdmitted = false, ending = new AbortController().signal) {
    const accept = () => void this.taken.push(given);
    const verdict = await this.admission.admit({ pod: given, wasAdmitted, ending, accept }, AbortSignal.timeout(5_000));
    return verdict?.reason;
  }
}

test("who was in stays, whoever comes at the same moment; then priority and age decide", async () => {
  const node = new Node();
  const reasons = await Promise.all([
    node.admit(asking("young", "500m", { created: "2026-01-03T00:00:00Z" })),
    node.admit(asking("old", "500m", { created: "2026-01-02T00:00:00Z" })),
    node.admit(asking("important", "400m", { priority: 5, created: "2026-01-04T00:00:00Z" })),
    node.admit(asking("was here", "100m", { created: "2026-01-05T00:00:00Z" }), true),
  ]);
  assert.deepEqual(reasons, ["OutOfcpu", undefined, undefined, undefined]);
  assert.deepEqual(
    node.taken.map(({ metadata }) => metadata?.name),
    ["was here", "important", "old"],
  );
  assert.deepEqual(node.events, [
    "young OutOfcpu: Node didn't have enough resource: cpu, requested: 500, used: 1000, capacity: 1000",
  ]);
  assert.deepEqual(node.released, ["young"], "devices and CPUs go back");
});

test("a pod that was in stays even where a new one would not be taken", async () => {
  const node = new Node({ refuse: () => ({ phase: "Failed", reason: "Evicted", message: "" }) });
  assert.equal(await node.admit(asking("was here", "5"), true), undefined);
  assert.equal(await node.admit(asking("new", "0")), "Evicted");
});

test("what cannot be given is an error that nobody foresaw, or one of its own name", async () => {
  const node = new Node({ allocate: () => Promise.reject(new Error("no device")) });
  assert.equal(await node.admit(asking("new", "0")), "UnexpectedAdmissionError");
  assert.deepEqual(node.events, [
    "new UnexpectedAdmissionError: Allocate failed due to no device, which is unexpected",
  ]);
  assert.equal(await node.admit(asking("was here", "0"), true), undefined, "its plugin may come up after us");
  const aligned = Object.assign(new Error("not aligned"), { admissionReason: "SMTAlignmentError" });
  const other = new Node({ allocate: () => Promise.reject(aligned) });
  assert.equal(await other.admit(asking("new", "0")), "SMTAlignmentError");
});

test("a critical pod takes the room of others; without enough of that it is refused", async () => {
  const node = new Node();
  await node.admit(asking("a", "600m"));
  await node.admit(asking("b", "300m"));
  const critical = asking("critical", "500m", { priority: 2_000_000_000 });
  assert.equal(await node.admit(critical), undefined);
  assert.deepEqual(node.ended, ["a"]);
  assert.deepEqual(node.events, ["a Preempting: Preempted in order to admit critical pod"]);
  assert.equal(await node.admit(asking("too big", "3", { priority: 2_000_000_000 })), "UnexpectedAdmissionError");
  assert.match(node.events[1] ?? "", /error finding a set of pods to preempt: no set of running pods found/);
  const elsewhere = asking("elsewhere", "3", { priority: 2_000_000_000 });
  elsewhere.spec = { ...elsewhere.spec, containers: elsewhere.spec?.containers ?? [], nodeName: "other" };
  assert.equal(await node.admit(elsewhere), "NodeName", "nobody goes for a pod that could not run all the same");
});

test("a pod that shall end while it waits is not looked at", async () => {
  const held = Promise.withResolvers<void>();
  const node = new Node({ allocate: () => held.promise });
  const first = node.admit(asking("first", "0"));
  const ending = new AbortController();
  const second = node.admit(asking("second", "0"), false, ending.signal);
  await new Promise(setImmediate);
  ending.abort();
  assert.equal(await second, undefined);
  held.resolve();
  await first;
  assert.deepEqual(
    node.taken.map(({ metadata }) => metadata?.name),
    ["first"],
  );
});
