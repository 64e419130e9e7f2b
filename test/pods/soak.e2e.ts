import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { CONFIG_MAPS, PODS } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { memoryOf } from "../../bench/footprint.ts";
import { NAMESPACE, readyPod, TestBed } from "../e2e/test-bed.ts";
import { startEmbeddedCloud } from "../e2e/test-cloud.ts";
import { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { kedgeTarget } from "./kedge-target.ts";
import { nothingLeft } from "./left-behind.ts";
import { LONG } from "./long-form.ts";
import { lasting } from "./pods.ts";
import type { PodTarget } from "./pod-target.ts";

const NODE = "edge-soak";
const AT_ONCE = 10;
/** The first fill caches and warm up compilers; what grows after them grows for ever. */
const [WARM_UP, POD_COUNT] = LONG ? [200, 1_000] : [20, 40];
const TIMEOUT_MS = LONG ? 60 * 60_000 : 10 * 60_000;
const READY_MS = 120_000;
const LEFT_MS = 60_000;
/** Garbage collections let memory go up and down by as much; at the beginning it also warms up. */
const GROWTH_MB_MAX = LONG ? 8 : 16;
const CLOUD_GROWTH_MB_MAX = 96;
const OPEN_FILES_GROWTH_MAX = 4;

/** With all that a node keeps for a pod: mounts, a token, files, memory, an address, a cgroup with limits. */
const pod = (name: string) => ({
  metadata: { name, namespace: NAMESPACE },
  spec: {
    nodeName: NODE,
    ...lasting(
      {
        resources: { limits: { cpu: "50m", memory: "16Mi" } },
        readinessProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
        volumeMounts: [
          { name: "settings", mountPath: "/settings" },
          { name: "memory", mountPath: "/memory" },
        ],
      },
      {
        automountServiceAccountToken: true,
        volumes: [
          { name: "settings", configMap: { name: "settings" } },
          { name: "memory", emptyDir: { medium: "Memory" } },
        ],
      },
    ).spec,
  },
});

interface Belongings {
  readonly openFiles: number;
  readonly mounts: number;
  readonly interfaces: number;
  readonly cgroups: number;
  readonly logFolders: number;
  readonly containers: number;
  readonly agentMb: number;
  readonly cloudMb: number;
}

describe("soak", { skip: TestEdgeNode.missing() }, () => {
  test(`${POD_COUNT} pods come and go, and nothing grows`, { timeout: TIMEOUT_MS }, async (t) => {
    await using bed = await TestBed.start(startEmbeddedCloud, NODE);
    const target = kedgeTarget(bed.cloud, bed.node, () => Promise.resolve());
    const signal = () => AbortSignal.timeout(READY_MS);
    const { kube } = bed.cloud;
    const settings = { metadata: { name: "settings", namespace: NAMESPACE }, data: { a: "1" } };
    await kube.create(CONFIG_MAPS, settings, signal());
    let number = 0;
    const comeAndGo = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += AT_ONCE) {
        const names = Array.from({ length: AT_ONCE }, () => `pod-${++number}`);
        await Promise.all(
          names.map(async (name) => {
            const key = { namespace: NAMESPACE, name };
            await kube.create(PODS, pod(name), signal());
            await waitForObject(kube, PODS, key, readyPod, READY_MS);
            await kube.delete(PODS, key, signal());
            await waitForObject(kube, PODS, key, (found) => found === undefined, READY_MS);
          }),
        );
      }
      await nothingLeft(target, new Set(), LEFT_MS);
    };
    await comeAndGo(WARM_UP).catch((error: unknown) => {
      throw new Error(`${toError(error).message}\n${target.logTail()}`, { cause: error });
    });
    const before = await belongings(target, bed.cloud.pid);
    await comeAndGo(POD_COUNT - WARM_UP);
    const after = await belongings(target, bed.cloud.pid);
    t.diagnostic(`after ${WARM_UP} pods ${JSON.stringify(before)}, after ${POD_COUNT} ${JSON.stringify(after)}`);
    const { openFiles, agentMb, cloudMb, ...same } = after;
    const { openFiles: filesBefore, agentMb: agentBefore, cloudMb: cloudBefore, ...sameBefore } = before;
    assert.deepEqual(same, sameBefore);
    assert.ok(openFiles - filesBefore <= OPEN_FILES_GROWTH_MAX, `open files grew from ${filesBefore} to ${openFiles}`);
    assert.ok(agentMb - agentBefore <= GROWTH_MB_MAX, `the agent grew from ${agentBefore} to ${agentMb} MB`);
    // It collects garbage late; that what lives does not grow is tried in packages/apiserver/test/memory.itest.ts.
    if (LONG)
      assert.ok(cloudMb - cloudBefore <= CLOUD_GROWTH_MB_MAX, `the cloud grew from ${cloudBefore} to ${cloudMb} MB`);
  });
});

async function belongings(target: PodTarget, cloudPid: number | undefined): Promise<Belongings> {
  const { agentPid = 0, containerd, podLogs } = target;
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const { runtime } = containerd.client;
  const signal = AbortSignal.timeout(LEFT_MS);
  return {
    openFiles: readdirSync(`/proc/${agentPid}/fd`).length,
    mounts: mounts.filter((line) => line.includes(containerd.root)).length,
    interfaces: readdirSync(`/sys/class/net/${containerd.bridge}/brif`).length,
    cgroups: countCgroups(target.cgroup),
    logFolders: readdirSync(podLogs).length,
    containers: (await runtime.listContainers({}, signal)).length + (await runtime.listPodSandboxes({}, signal)).length,
    agentMb: Math.round(memoryOf(agentPid).privateMb * 10) / 10,
    cloudMb: cloudPid === undefined ? 0 : Math.round(memoryOf(cloudPid).privateMb * 10) / 10,
  };
}

function countCgroups(root: string): number {
  const below = readdirSync(`/sys/fs/cgroup/memory${root}`, { recursive: true, withFileTypes: true });
  return below.filter((entry) => entry.isDirectory()).length;
}
