import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { TestContainerd } from "@kedge/testing";
import { cniCheck, runtimeCgroupDriver, runtimeCheck } from "../src/host/runtime-checks.ts";

const POLL_MS = 50;

test(
  "a runtime is looked at as it is: its version, its cgroup driver, its network, its death",
  { skip: TestContainerd.missing(), timeout: 60_000 },
  async () => {
    await using containerd = await TestContainerd.start();
    const signal = AbortSignal.timeout(50_000);
    const { endpoint, root } = containerd;
    assert.match(await runtimeCheck(endpoint).run(signal), /^containerd \d/);
    assert.equal(await runtimeCgroupDriver(endpoint, signal), "cgroupfs");
    assert.equal(await cniCheck(endpoint).run(signal), "ready");

    for (const file of readdirSync(join(root, "net.d"))) rmSync(join(root, "net.d", file));
    for (;;) {
      const network = (await containerd.client.runtime.status(signal))?.conditions.find(
        ({ type }) => type === "NetworkReady",
      );
      if (network?.status === false) break;
      await delay(POLL_MS, undefined, { signal }); // it notices by itself, and tells nobody
    }
    await assert.rejects(
      cniCheck(endpoint).run(signal),
      /the runtime has no pod network \(.*\): put a CNI configuration into \/etc\/cni\/net\.d/,
      "FIX: KubeEdge's join does not say that the node will not be ready",
    );

    await containerd.stopDaemon();
    await assert.rejects(
      runtimeCheck(endpoint).run(signal),
      /the runtime at .* does not answer .*: start it, and see its log/,
    );
  },
);
