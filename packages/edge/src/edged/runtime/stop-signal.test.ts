import assert from "node:assert/strict";
import { test } from "node:test";
import { Signal } from "@kedge/cri";
import { stopSignalName, stopSignalOf } from "./stop-signal.ts";

test("signals by name, as the API has them, and back", () => {
  for (const name of ["SIGUSR1", "SIGTERM", "SIGRTMIN", "SIGRTMIN+3", "SIGRTMAX-14", "SIGRTMAX"])
    assert.equal(stopSignalName(stopSignalOf(name)), name);
});

test("without one, or with none that there is, the runtime decides", () => {
  for (const name of [undefined, "", "SIGNONE", "0", "toString"])
    assert.equal(stopSignalOf(name), Signal.RUNTIME_DEFAULT);
  assert.equal(stopSignalName(Signal.RUNTIME_DEFAULT), undefined);
});
