import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CriClient } from "@kedge/cri";
import type { Container, Pod, PodStatus, Probe } from "@kedge/kube";
import { type Clock, deferred, silentLogger } from "@kedge/runtime";
import type { EventRecorder } from "../events/event-recorder.ts";
import { container, pod, record, runtime } from "../pods/pod.test-data.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { PodProbes } from "./pod-probes.ts";
import { Prober } from "./prober.ts";

/** Time that only passes when told; sleepers wake in order. */
class TestClock implements Clock {
  #ms = 1_000_000;
  readonly #sleepers = new Set<{ atMs: number; wake: () => void }>();
  now = () => this.#ms;
  monotonic = () => this.#ms;

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = deferred();
    const sleeper = { atMs: this.#ms + ms, wake: resolve };
    this.#sleepers.add(sleeper);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    return promise.finally(() => this.#sleepers.delete(sleeper));
  }

  get sleepers(): number {
    return this.#sleepers.size;
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.#ms + ms;
    for (;;) {
      await settled();
      const next = [...this.#sleepers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#ms = Math.max(this.#ms, next.atMs);
      next.wake();
    }
    this.#ms = untilMs;
    await settled();
  }
}

/** Whatever was about to happen has. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

/** Probes of a pod whose containers' commands end with what `codes` says. */
function setUp(containers: Container[], status?: PodStatus) {
  const clock = new TestClock();
  const codes: Record<string, number> = {};
  const asked: string[] = [];
  const events: string[] = [];
  const cri = {
    runtime: {
      execSync: async (id: string, [what = ""]: string[]) => {
        asked.push(`${what} ${id}`);
        return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: codes[what] ?? 0 };
      },
    },
  } as unknown as CriClient;
  const note = (_: Pod, reason: string, message: string) => void events.push(`${reason}: ${message}`);
  const recorder = { warn: note, normal: note } as unknown as EventRecorder;
  const prober = new Prober({ cri, events: recorder, clock, logger: silentLogger });
  const subject: Pod = { ...pod({ containers }), ...(status !== undefined && { status }) };
  let changes = 0;
  const probes = new PodProbes(
    { prober, clock, logger: silentLogger },
    () => subject,
    () => (changes += 1),
  );
  return { clock, codes, asked, events, probes, prober, changes: () => changes };
}

const exec = (what: string, facts: Probe = {}): Probe => ({ exec: { command: [what] }, periodSeconds: 10, ...facts });
const running = (startedAtMs: number, id = "app-0"): RuntimePod =>
  runtime([record("app", "running", { id, startedAtMs })]);
const app = (facts: Partial<Container>) => container("app", facts);
const one = record("app", "running", { id: "app-0" });

describe("the probes of a pod", () => {
  test("startup first, then readiness at once, liveness with the next period", async () => {
    const subject = app({
      startupProbe: exec("startup"),
      readinessProbe: exec("ready"),
      livenessProbe: exec("live"),
    });
    const { clock, codes, asked, probes } = setUp([subject]);
    using _ = probes;
    codes["startup"] = 1;
    probes.look(running(clock.now()));
    await clock.pass(15_000);
    assert.deepEqual(asked, ["startup app-0", "startup app-0"]);
    assert.deepEqual([probes.started(subject, one), probes.ready(subject, one)], [false, false]);
    codes["startup"] = 0;
    await clock.pass(5_000);
    assert.deepEqual(asked.slice(2), ["startup app-0", "ready app-0", "live app-0"]);
    assert.deepEqual([probes.started(subject, one), probes.ready(subject, one)], [true, true]);
    await clock.pass(10_000);
    assert.deepEqual(asked.slice(5).toSorted(), ["live app-0", "ready app-0"]);
  });

  test("a failed liveness probe is told once, and not asked again before the container runs anew", async () => {
    const { clock, codes, asked, probes, changes } = setUp([
      app({ livenessProbe: exec("live", { failureThreshold: 2 }) }),
    ]);
    using _ = probes;
    codes["live"] = 1;
    probes.look(running(clock.now()));
    await clock.pass(60_000);
    assert.equal(asked.length, 2);
    assert.deepEqual([probes.liveness("app-0"), changes()], [false, 1]);
    codes["live"] = 0;
    probes.look(running(clock.now(), "app-1"));
    await clock.pass(10_000);
    assert.deepEqual(asked.slice(2), ["live app-1"]);
    assert.deepEqual([probes.liveness("app-0"), probes.liveness("app-1")], [undefined, true]);
  });

  test("initialDelaySeconds holds it back", async () => {
    const { clock, asked, probes } = setUp([app({ readinessProbe: exec("ready", { initialDelaySeconds: 25 }) })]);
    using _ = probes;
    probes.look(running(clock.now()));
    await clock.pass(24_000);
    assert.equal(asked.length, 0);
    await clock.pass(1_000);
    assert.equal(asked.length, 1);
  });

  test("after the agent's restart nothing flaps, and not all is asked at once", async () => {
    const containers = Array.from({ length: 20 }, (_, index) =>
      container(`c${index}`, { readinessProbe: exec(`c${index}`), startupProbe: exec("startup") }),
    );
    const told = { ready: true, started: true, restartCount: 0, image: "", imageID: "" };
    const containerStatuses = containers.map(({ name }) => ({ ...told, name, containerID: `containerd://${name}-0` }));
    const { clock, asked, probes, changes } = setUp(containers, { containerStatuses });
    using _ = probes;
    const runs = containers.map(({ name }) => record(name, "running", { id: `${name}-0`, startedAtMs: 1 }));
    probes.look(runtime(runs));
    for (const [index, subject] of containers.entries()) {
      const run = runs[index];
      assert.ok(run !== undefined && probes.ready(subject, run) && probes.started(subject, run));
    }
    await settled();
    assert.ok(asked.length < 10, `${asked.length} asked at once`);
    assert.ok(clock.sleepers <= 1, "one timer for the pod");
    await clock.pass(10_000);
    assert.equal(new Set(asked).size, 20);
    assert.ok(asked.every((what) => !what.startsWith("startup")));
    assert.equal(changes(), 0);
  });

  test("what was told of another run does not count", async () => {
    const containerStatuses = [
      {
        name: "app",
        ready: true,
        started: true,
        restartCount: 0,
        image: "",
        imageID: "",
        containerID: "containerd://old",
      },
    ];
    const subject = app({ readinessProbe: exec("ready") });
    const { clock, codes, probes } = setUp([subject], { containerStatuses });
    using _ = probes;
    codes["ready"] = 1;
    probes.look(running(clock.now()));
    assert.equal(probes.ready(subject, one), false);
  });

  test("with the pod's end only readiness goes on; with the pod, nothing", async () => {
    const { clock, asked, probes, prober } = setUp([
      app({ readinessProbe: exec("ready"), livenessProbe: exec("live") }),
    ]);
    probes.look(running(clock.now()));
    await clock.pass(10_000);
    probes.terminate();
    asked.length = 0;
    await clock.pass(20_000);
    assert.deepEqual(asked, ["ready app-0", "ready app-0"]);
    assert.match(prober.metrics.render(), /prober_probe_total\{.*probe_type="Readiness",result="successful"\} \d/);
    probes[Symbol.dispose]();
    await clock.pass(60_000);
    assert.equal(asked.length, 2);
    assert.equal(prober.metrics.render().includes("{"), false);
    assert.equal(clock.sleepers, 0);
  });

  test("a pod without probes costs no timer", async () => {
    const { clock, probes } = setUp([app({})]);
    using _ = probes;
    probes.look(running(clock.now()));
    await clock.pass(60_000);
    assert.equal(clock.sleepers, 0);
    assert.deepEqual([probes.started(app({}), one), probes.ready(app({}), one)], [true, true]);
  });
});

test("counts what probes come to, as kubelets name it", async () => {
  const { clock, codes, probes, prober } = setUp([app({ readinessProbe: exec("ready") })]);
  using _ = probes;
  probes.look(running(clock.now()));
  await clock.pass(10_000);
  codes["ready"] = 1;
  await clock.pass(10_000);
  const text = prober.metrics.render();
  const labels = 'container="app",namespace="default",pod="p"';
  assert.ok(
    text.includes(`prober_probe_total{${labels},pod_uid="uid-1",probe_type="Readiness",result="successful"} 2`),
    text,
  );
  assert.ok(
    text.includes(`prober_probe_total{${labels},pod_uid="uid-1",probe_type="Readiness",result="failed"} 1`),
    text,
  );
  assert.ok(text.includes(`prober_probe_duration_seconds_count{${labels},probe_type="Readiness"} 2`), text);
  assert.ok(text.includes(`prober_probe_duration_seconds_bucket{container="app",le="+Inf",namespace="default"`), text);
});
