import assert from "node:assert/strict";
import { test } from "node:test";
import { CriClient } from "@kedge/cri";
import { type Logger, silentLogger } from "@kedge/runtime";
import { RuntimeAnswers } from "./runtime-answers.ts";
import { runtimeHealth } from "./runtime-health.ts";

test("a runtime that is away is said once, with its socket and what to do, and once when it is back", () => {
  const said: string[] = [];
  const note = (_: object, message: string) => void said.push(message);
  const answers = new RuntimeAnswers("unix:///r.sock", { ...silentLogger, error: note, info: note } as Logger);
  for (const cause of [undefined, "away", "away", undefined, undefined]) answers.note(cause);
  assert.deepEqual(said, [
    "the container runtime does not answer at unix:///r.sock: start containerd there, or set modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint; until then no pod can start",
    "the container runtime answers again",
  ]);
});

test("the node's status names the socket of a runtime that is away", async () => {
  using cri = new CriClient({ runtimeEndpoint: "unix:///nowhere/c.sock", timeoutMs: 50 });
  const { errors } = await runtimeHealth(cri.runtime, new AbortController().signal);
  assert.match(
    errors[0] ?? "",
    /^container runtime is down: .*\/nowhere\/c\.sock: connect ENOENT .*is containerd running/,
  );
});
