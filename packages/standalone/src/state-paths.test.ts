import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { STATE_DIR_DEFAULT, statePaths } from "./state-paths.ts";

test("the usual state directory has plain names on the host", () => {
  const { network, run, cgroup } = statePaths(STATE_DIR_DEFAULT);
  assert.deepEqual([network.bridge, run.dir, cgroup], ["kedge0", "/run/kedge", "/kedge"]);
});

test("every state directory gets names of its own that the kernel takes", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^\/[a-z/]{1,300}$/), (stateDir) => {
      const { network, run } = statePaths(stateDir);
      assert.ok(network.bridge.length <= 15, "an interface name has at most 15 characters");
      assert.ok(`${run.containerdSocket}.ttrpc`.length <= 107, "a Unix socket's path has at most 107 bytes");
      assert.match(network.subnet, /^10\.214\.(25[0-5]|2[0-4]\d|1?\d?\d)\.0\/24$/);
    }),
  );
});
