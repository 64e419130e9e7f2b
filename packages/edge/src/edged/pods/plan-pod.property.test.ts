import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod } from "@kedge/kube";
import fc from "fast-check";
import type { RuntimeContainer, RuntimeSandbox } from "../runtime/runtime-pod.ts";
import { isSidecar } from "./plan-init-containers.ts";
import { planPod } from "./plan-pod.ts";
import { container, pod, record, runtime, sandbox } from "./pod.test-data.ts";

/** A runtime that does what plans say; `happen` lets something end. */
class Model {
  readonly pod: Pod;
  sandboxes: RuntimeSandbox[] = [];
  /** Newest first. */
  records: RuntimeContainer[] = [];
  #clock = 0;

  constructor(subject: Pod) {
    this.pod = subject;
  }

  /** One round. @returns whether the plan asked for anything. */
  act(): boolean {
    const plan = planPod(this.pod, runtime(this.records, this.sandboxes));
    const before = JSON.stringify([this.sandboxes, this.records]);
    if (plan.killPod) {
      for (const one of this.records.filter(({ state }) => state === "running")) this.end(one.id, 143);
      this.sandboxes = this.sandboxes.map((one) => ({ ...one, ready: false }));
    }
    for (const kill of plan.kills) this.end(kill.container.id, 143);
    if (plan.createSandbox !== undefined) {
      const { attempt } = plan.createSandbox;
      this.sandboxes.unshift(sandbox({ id: `sb${attempt}`, attempt, createdAtMs: (this.#clock += 1) }));
    }
    for (const start of plan.starts) this.#start(start);
    return before !== JSON.stringify([this.sandboxes, this.records]);
  }

  #start({ name }: Container): void {
    const [newest] = this.sandboxes;
    assert.ok(newest?.ready, "a container starts in a sandbox that lives");
    const runs = this.records.filter((one) => one.name === name);
    assert.ok(
      runs.every(({ state }) => state !== "running"),
      `${name} does not run twice`,
    );
    this.#assertInitialized(name, newest.id);
    const createdAtMs = (this.#clock += 1);
    const id = `${name}-${runs.length}`;
    this.records.unshift(record(name, "running", { id, sandboxId: newest.id, createdAtMs, restartCount: runs.length }));
  }

  /** Those before it have done their part in this sandbox. */
  #assertInitialized(name: string, sandboxId: string): void {
    const { initContainers = [] } = this.pod.spec ?? {};
    const index = initContainers.findIndex((one) => one.name === name);
    for (const earlier of initContainers.slice(0, index === -1 ? undefined : index)) {
      const runs = this.records.filter((one) => one.name === earlier.name && one.sandboxId === sandboxId);
      assert.ok(runs.length > 0, `${earlier.name} comes before ${name}`);
      if (!isSidecar(earlier)) assert.ok(runs.some(({ exitCode, state }) => state === "exited" && exitCode === 0));
    }
  }

  end(id: string, exitCode: number): void {
    this.records = this.records.map((one) => (one.id === id ? { ...one, state: "exited" as const, exitCode } : one));
  }
}

const names = (prefix: string, max: number) =>
  fc.integer({ min: 0, max }).map((count) => Array.from({ length: count }, (_, index) => `${prefix}${index}`));
const spec = fc.record({
  restartPolicy: fc.constantFrom("Always", "OnFailure", "Never"),
  init: fc.array(fc.boolean(), { maxLength: 3 }),
  regular: names("c", 3).filter((list) => list.length > 0),
});
const happening = fc.record({
  what: fc.constantFrom("end", "end", "sandbox"),
  which: fc.nat(9),
  exitCode: fc.constantFrom(0, 1),
});

test("whatever ends, and whenever: containers start in order, none twice, and a plan leads somewhere", () => {
  fc.assert(
    fc.property(spec, fc.array(happening, { maxLength: 12 }), ({ restartPolicy, init, regular }, happenings) => {
      const initContainers = init.map((sidecar, index) =>
        container(`i${index}`, sidecar ? { restartPolicy: "Always" } : {}),
      );
      const model = new Model(
        pod({ restartPolicy, initContainers, containers: regular.map((name) => container(name)) }),
      );
      const settle = () => {
        for (let rounds = 0; model.act(); rounds += 1) assert.ok(rounds < 20, "a plan that never ends");
      };
      settle();
      for (const { what, which, exitCode } of happenings) {
        const running = model.records.filter(({ state }) => state === "running");
        const one = running[which % Math.max(1, running.length)];
        if (what === "sandbox") {
          for (const { id } of running) model.end(id, 137);
          model.sandboxes = model.sandboxes.map((each) => ({ ...each, ready: false }));
        } else if (one !== undefined) model.end(one.id, exitCode);
        settle();
      }
      // From here on all succeed: a pod that shall end does, and one that shall not goes on.
      for (let step = 0; step < 20; step += 1) {
        const next = model.records.find(
          ({ name, state }) =>
            state === "running" && !initContainers.some((one) => one.name === name && isSidecar(one)),
        );
        if (next === undefined) break;
        if (restartPolicy === "Always" && regular.includes(next.name)) break;
        model.end(next.id, 0);
        settle();
      }
      const alive = model.records.filter(({ state }) => state === "running").map(({ name }) => name);
      if (restartPolicy === "Always") for (const name of regular) assert.ok(alive.includes(name), `${name} runs`);
      else assert.deepEqual(alive, []);
    }),
    { numRuns: 2_000 },
  );
});
