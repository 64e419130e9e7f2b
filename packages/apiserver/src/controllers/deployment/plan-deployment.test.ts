import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cloneJson, type Deployment, findCondition, type ReplicaSet } from "@kedge/kube";
import { planDeployment } from "./plan-deployment.ts";
import { podTemplateHash, sameTemplate } from "./pod-template-hash.ts";
import { resolveShare, rolloutBounds } from "./rollout-bounds.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

function deployment(spec: Partial<NonNullable<Deployment["spec"]>> = {}, image = "web:1"): Deployment {
  return {
    metadata: { namespace: "n", name: "web", uid: "d", generation: 1 },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image }] } },
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 1,
      ...spec,
    },
  };
}

/** A cluster of one Deployment: applies plans, and pods become ready as a test says. */
class Simulation {
  readonly replicaSets = new Map<string, ReplicaSet>();
  subject: Deployment;
  nowMs = NOW;
  #created = 0;

  constructor(subject: Deployment) {
    this.subject = subject;
  }

  /** @returns whether anything but the status changed. */
  step(oldPodsRun = false): boolean {
    const view = {
      deployment: this.subject,
      replicaSets: [...this.replicaSets.values()],
      oldPodsRun,
      nowMs: this.nowMs,
    };
    const before = JSON.stringify(view);
    const plan = planDeployment(view);
    assert.equal(JSON.stringify(view), before, "a plan must not change what it looks at");
    if (plan.create !== undefined) this.#put(plan.create);
    for (const { replicaSet } of plan.updates) this.#put(replicaSet);
    for (const { metadata } of plan.remove) this.replicaSets.delete(metadata?.name ?? "");
    this.subject = { ...this.subject, status: plan.status };
    return plan.create !== undefined || plan.updates.length > 0 || plan.remove.length > 0;
  }

  #put(replicaSet: ReplicaSet): void {
    const name = replicaSet.metadata?.name ?? "";
    const copy = cloneJson(replicaSet);
    const creationTimestamp = new Date(NOW + (this.#created += 1) * 1000).toISOString();
    this.replicaSets.set(name, {
      ...copy,
      metadata: { creationTimestamp, generation: 1, uid: name, ...copy.metadata },
    });
  }

  /** The ReplicaSet controller and the kubelets: all pods exist, these many are available. */
  run(available: (replicaSet: ReplicaSet) => number): void {
    for (const [name, replicaSet] of this.replicaSets) {
      const replicas = replicaSet.spec?.replicas ?? 0;
      const ready = Math.min(replicas, available(replicaSet));
      const status = { replicas, readyReplicas: ready, availableReplicas: ready, observedGeneration: 1 };
      this.replicaSets.set(name, { ...replicaSet, status });
    }
  }

  settle(available: (replicaSet: ReplicaSet) => number = (each) => each.spec?.replicas ?? 0): void {
    for (let turn = 0; turn < 200; turn += 1) {
      const changed = this.step();
      this.run(available);
      if (!changed && !this.step()) return;
    }
    assert.fail("never settles");
  }

  sizes(): Record<string, number> {
    const image = (each: ReplicaSet) => each.spec?.template?.spec?.containers[0]?.image ?? "";
    return Object.fromEntries([...this.replicaSets.values()].map((each) => [image(each), each.spec?.replicas ?? 0]));
  }

  progress(): string | undefined {
    return findCondition(this.subject.status?.conditions, "Progressing")?.reason;
  }

  edit(spec: Partial<NonNullable<Deployment["spec"]>>, image?: string): void {
    const template = image === undefined ? {} : { template: deployment({}, image).spec?.template ?? {} };
    const generation = (this.subject.metadata?.generation ?? 0) + 1;
    const metadata = { ...this.subject.metadata, generation };
    const { selector = {}, ...old } = this.subject.spec ?? {};
    this.subject = { ...this.subject, metadata, spec: { template: {}, ...old, selector, ...template, ...spec } };
  }
}

test("creates the first ReplicaSet in full and is done when all are available", () => {
  const simulation = new Simulation(deployment());
  simulation.settle();
  assert.deepEqual(simulation.sizes(), { "web:1": 3 });
  assert.equal(simulation.progress(), "NewReplicaSetAvailable");
  assert.deepEqual(
    [...simulation.replicaSets.values()].map(({ metadata }) => metadata?.annotations),
    [
      {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
      },
    ],
  );
});

test("rolls back to a template that it knows, as the newest revision, and forgets the oldest beyond the limit", () => {
  const simulation = new Simulation(deployment());
  simulation.settle();
  for (const image of ["web:2", "web:3", "web:2"]) {
    simulation.edit({}, image);
    simulation.settle();
  }
  assert.deepEqual(simulation.sizes(), { "web:2": 3, "web:3": 0 });
  const current = [...simulation.replicaSets.values()].find((each) => each.spec?.replicas === 3);
  assert.equal(current?.metadata?.annotations?.["deployment.kubernetes.io/revision"], "4");
  assert.equal(current.metadata.annotations["deployment.kubernetes.io/revision-history"], "2");
});

test("does nothing new while paused, but scales", () => {
  const simulation = new Simulation(deployment());
  simulation.settle();
  simulation.edit({ paused: true, replicas: 5 }, "web:2");
  simulation.settle();
  assert.deepEqual(simulation.sizes(), { "web:1": 5 });
  assert.equal(simulation.progress(), "DeploymentPaused");
  simulation.edit({ paused: false });
  simulation.settle();
  assert.equal(simulation.sizes()["web:2"], 5);
});

test("waits in Recreate for the old pods to be gone", () => {
  const simulation = new Simulation(deployment({ strategy: { type: "Recreate" } }));
  simulation.settle();
  simulation.edit({}, "web:2");
  simulation.step(true);
  assert.deepEqual(simulation.sizes(), { "web:1": 0 });
  simulation.step(true);
  assert.deepEqual(simulation.sizes(), { "web:1": 0 });
  simulation.step(false);
  assert.deepEqual(simulation.sizes(), { "web:1": 0, "web:2": 3 });
});

test("says after the deadline that it does not move, and goes on when it does", () => {
  const simulation = new Simulation(deployment({ progressDeadlineSeconds: 10 }));
  simulation.settle(() => 0);
  simulation.nowMs += 9_000;
  simulation.step();
  assert.notEqual(simulation.progress(), "ProgressDeadlineExceeded");
  simulation.nowMs += 2_000;
  simulation.step();
  assert.equal(simulation.progress(), "ProgressDeadlineExceeded");
  simulation.settle();
  assert.equal(simulation.progress(), "NewReplicaSetAvailable");
});

test("only finishes its status while it is being deleted", () => {
  const simulation = new Simulation(deployment());
  simulation.settle();
  simulation.edit({ replicas: 9 }, "web:2");
  simulation.subject.metadata = { ...simulation.subject.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
  assert.equal(simulation.step(), false);
});

test("never has too few available pods nor too many pods, and always arrives", () => {
  const share = fc.oneof(
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 0, max: 100 }).map((percent) => `${percent}%`),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      share,
      share,
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 10 }),
      (replicas, maxSurge, maxUnavailable, pace) => {
        const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } };
        const simulation = new Simulation(deployment({ replicas, strategy }));
        simulation.settle();
        const bounds = rolloutBounds(simulation.subject);
        simulation.edit({}, "web:2");
        let ready = 0;
        for (let turn = 0; turn < 150; turn += 1) {
          simulation.step();
          const sizes = simulation.sizes();
          const total = Object.values(sizes).reduce((sum, each) => sum + each, 0);
          assert.ok(total <= bounds.replicas + bounds.maxSurge, `${total} pods`);
          // Old pods are available, new ones become so at their own pace.
          const available = (sizes["web:1"] ?? 0) + Math.min(ready, sizes["web:2"] ?? 0);
          assert.ok(available >= bounds.replicas - bounds.maxUnavailable, `${available} available`);
          ready = Math.min(sizes["web:2"] ?? 0, ready + (pace[turn % pace.length] ?? 0) + (turn % 10 === 9 ? 1 : 0));
          simulation.run((each) => (each.spec?.template?.spec?.containers[0]?.image === "web:2" ? ready : 99));
        }
        assert.equal(simulation.sizes()["web:2"], replicas);
        assert.equal(simulation.progress(), "NewReplicaSetAvailable");
      },
    ),
  );
});

test("names a template by its content alone", () => {
  const [a, b] = [deployment().spec?.template ?? {}, deployment({}, "web:2").spec?.template ?? {}];
  const labelled = { ...a, metadata: { labels: { app: "web", "pod-template-hash": "x" } } };
  assert.equal(podTemplateHash(a), podTemplateHash(labelled));
  assert.ok(sameTemplate(a, labelled));
  assert.notEqual(podTemplateHash(a), podTemplateHash(b));
  assert.notEqual(podTemplateHash(a), podTemplateHash(a, 1));
  assert.match(podTemplateHash(a), /^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
});

test("reads shares as Kubernetes rounds them", () => {
  assert.equal(resolveShare("25%", 3, Math.ceil), 1);
  assert.equal(resolveShare("25%", 3, Math.floor), 0);
  assert.equal(resolveShare(2, 3, Math.floor), 2);
  assert.equal(resolveShare("nonsense", 3, Math.floor), 0);
});
