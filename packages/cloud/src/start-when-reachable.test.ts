import assert from "node:assert/strict";
import { test } from "node:test";
import { CodedError, silentLogger, systemClock } from "@kedge/runtime";
import { startWhenReachable } from "./start-when-reachable.ts";

class Away extends CodedError<{ readonly code: "Unreachable" }> {}
const clock = { ...systemClock, sleep: () => Promise.resolve() };
const deps = { clock, logger: silentLogger };

test("what cannot reach the API server is started again until it can", async () => {
  let tries = 0;
  const started = await startWhenReachable(
    () => {
      tries += 1;
      return tries < 30 ? Promise.reject(new Away("away", { code: "Unreachable" })) : Promise.resolve("up");
    },
    deps,
    AbortSignal.timeout(10_000),
  );
  assert.deepEqual([started, tries], ["up", 30]);
});

test("what is wrong in itself is told at once", async () => {
  const wrong = () => Promise.reject(new Error("half a certificate"));
  await assert.rejects(startWhenReachable(wrong, deps, AbortSignal.timeout(10_000)), /half a certificate/);
});

test("waiting ends when we are told to stop", async () => {
  const stop = new AbortController();
  const away = () => {
    stop.abort(new Error("stopped"));
    return Promise.reject(new Away("away", { code: "Unreachable" }));
  };
  await assert.rejects(startWhenReachable(away, { ...deps, clock: systemClock }, stop.signal), /stopped/);
});
