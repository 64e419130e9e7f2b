import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadEdgeCoreConfig } from "@kedge/api";
import { silentLogger, systemClock } from "@kedge/runtime";
import { TestContainerd } from "@kedge/testing";
import { EdgeNode } from "../src/edged/node/edge-node.ts";
import { NodeCloud } from "../src/edged/node/node-cloud.test-data.ts";

const TIMEOUT_MS = 60_000;

test(
  "a node starts without its runtime, and is ready a moment after it comes",
  {
    skip: TestContainerd.missing(),
    timeout: TIMEOUT_MS,
  },
  async () => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    await using containerd = await TestContainerd.start();
    await containerd.stopDaemon();
    using cloud = new NodeCloud();
    const edged = {
      rootDirectory: join(containerd.root, "kubelet"),
      nodeIP: "10.0.0.5",
      tailoredKubeletConfig: { containerRuntimeEndpoint: containerd.endpoint },
    };
    const host = { hostname: "edge-1", localIP: "10.0.0.5" };
    const yaml = JSON.stringify({ modules: { edged } });
    const { config } = loadEdgeCoreConfig(yaml, host, { supported: new Set() });
    const deps = { bus: cloud.bus, logger: silentLogger, clock: systemClock, agentVersion: "0.1.0" };
    await using node = await EdgeNode.start(config, deps, signal);
    await cloud.told((current) => current.status?.conditions?.some(({ type }) => type === "Ready") === true);
    assert.equal(cloud.ready(), "False");
    assert.deepEqual(node.runtimeErrors(), ["container runtime status check may not have completed yet"]);

    await containerd.startDaemon();
    const startedAtMs = performance.now();
    await cloud.told(() => cloud.ready() === "True");
    assert.ok(performance.now() - startedAtMs < 4_000, "ready within seconds of its runtime");
    assert.match(cloud.node?.status?.nodeInfo?.containerRuntimeVersion ?? "", /^containerd:\/\/\d+\.\d+/);
    assert.deepEqual([node.name, node.hostIPs(), node.runtimeErrors()], ["edge-1", ["10.0.0.5"], []]);
    assert.equal(node.node()?.metadata?.uid, "node-uid");
    await cloud.told(() => cloud.lease !== undefined);
  },
);
