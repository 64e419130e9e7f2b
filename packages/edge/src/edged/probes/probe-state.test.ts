import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { newProbeState, type ProbeKind, type ProbeState, takeResult } from "./probe-state.ts";
import { failureCounts, firstProbeMs, nextProbeMs, type ProbeTimes } from "./probe-times.ts";

/** `+` a success, `-` a failure; the verdict after each: `y`, `n`, `?`. */
function verdicts(kind: ProbeKind, results: string, failures: number, successes: number): string {
  let state: ProbeState = newProbeState(kind, "c1");
  return results
    .split("")
    .map((result) => {
      if (!state.held) state = takeResult(state, kind, result === "+", { failures, successes });
      return state.verdict === undefined ? "?" : state.verdict ? "y" : "n";
    })
    .join("");
}

describe("what results of a probe amount to", () => {
  const cases: [name: string, kind: ProbeKind, results: string, failures: number, successes: number, seen: string][] = [
    ["ready with the first success", "readiness", "-+", 3, 1, "ny"],
    ["unready after three failures in a row", "readiness", "+--+---", 3, 1, "yyyyyyn"],
    ["ready again after two successes in a row", "readiness", "+-+-++", 1, 2, "nnnnny"],
    ["alive until it failed often enough", "liveness", "+-+---", 3, 1, "yyyyyn"],
    ["a failed liveness probe is not asked again", "liveness", "-+++", 1, 1, "nnnn"],
    ["not known to have started before a success", "startup", "--+", 3, 1, "??y"],
    ["a startup probe that failed for good", "startup", "---+", 3, 1, "??nn"],
    ["a startup probe that succeeded is not asked again", "startup", "+---", 1, 1, "yyyy"],
  ];
  for (const [name, kind, results, failures, successes, seen] of cases)
    test(name, () => assert.equal(verdicts(kind, results, failures, successes), seen));

  test("what was known before the agent restarted counts until a probe says otherwise", () => {
    assert.equal(newProbeState("readiness", "c1", true).verdict, true);
    assert.equal(newProbeState("readiness", "c1").verdict, false);
    const started = newProbeState("startup", "c1", true);
    assert.deepEqual([started.verdict, started.held], [true, true]);
  });

  test("the verdict only changes after as many equal results in a row as the threshold says", () => {
    const results = fc.array(fc.boolean(), { maxLength: 40 });
    const threshold = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(results, threshold, threshold, (sequence, failures, successes) => {
        let state = newProbeState("readiness", "c1");
        for (const [index, success] of sequence.entries()) {
          const before = state.verdict;
          state = takeResult(state, "readiness", success, { failures, successes });
          const needed = success ? successes : failures;
          const last = sequence.slice(Math.max(0, index + 1 - needed), index + 1);
          const enough = last.length === needed && last.every((one) => one === success);
          assert.equal(state.verdict, enough ? success : before);
        }
      }),
    );
  });
});

describe("when a container is probed", () => {
  const times = (initialDelayMs: number, periodMs: number): ProbeTimes => ({
    initialDelayMs,
    periodMs,
    timeoutSeconds: 1,
  });

  test("readiness and startup as soon as they may, liveness a period after the start", () => {
    for (const kind of ["readiness", "startup"] as const) {
      assert.equal(firstProbeMs(kind, 1000, times(0, 10_000)), 1000);
      assert.equal(firstProbeMs(kind, 1000, times(5000, 10_000)), 6000);
    }
    assert.equal(firstProbeMs("liveness", 1000, times(0, 10_000)), 11_000);
    assert.equal(firstProbeMs("liveness", 1000, times(5000, 10_000)), 11_000);
    assert.equal(firstProbeMs("liveness", 1000, times(15_000, 10_000)), 21_000);
  });

  test("never before its initial delay, never twice in a period, and late ones do not pile up", () => {
    const ms = fc.integer({ min: 0, max: 100_000 });
    const period = fc.integer({ min: 1000, max: 60_000 });
    fc.assert(
      fc.property(ms, ms, period, ms, (started, delay, periodMs, late) => {
        const spec = times(delay, periodMs);
        for (const kind of ["startup", "liveness", "readiness"] as const) {
          const first = firstProbeMs(kind, started, spec);
          assert.ok(first >= started + delay);
          const next = nextProbeMs(first, first + late, spec);
          assert.ok(next >= first + periodMs && next >= first + late);
          assert.ok(next <= first + Math.max(periodMs, late));
        }
      }),
    );
  });

  test("a container has failureThreshold periods to start, whatever the try at its very start says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 30 }), (failures, delaySeconds) => {
        const spec = times(delaySeconds * 1000, 10_000);
        let state = newProbeState("startup", "c1");
        let atMs = firstProbeMs("startup", 0, spec);
        for (; state.verdict !== false; atMs = nextProbeMs(atMs, atMs, spec))
          if (failureCounts("startup", 0, atMs, spec))
            state = takeResult(state, "startup", false, { failures, successes: 1 });
        const failedAtMs = atMs - 10_000;
        assert.equal(failedAtMs, delaySeconds * 1000 + failures * 10_000);
      }),
    );
  });
});
